// What holds a pod's namespaces on the node of the tests: there is no registry to pull the usual image from.
module asya-mesh/tests/cluster/binaries/pause

go 1.26.0
