// KEDA's version for tests/cluster: tools/cluster-binaries takes its CRDs from the module as published.
module asya-mesh/tests/cluster/binaries/keda

go 1.26.0

require github.com/kedacore/keda/v2 v2.20.2
