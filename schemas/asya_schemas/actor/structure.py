"""The structural schema of an AsyncActor as data. Generated from the models: run `make generate`.

Long because it is data. Here so that checking a document needs no pydantic, whose import costs 200 ms.
"""

# ruff: noqa: E501
import json
from typing import Any

SCHEMA: dict[str, Any] = json.loads(r"""{
 "type": "object",
 "required": [
  "spec"
 ],
 "properties": {
  "apiVersion": {
   "type": "string"
  },
  "kind": {
   "type": "string"
  },
  "metadata": {
   "type": "object"
  },
  "spec": {
   "type": "object",
   "properties": {
    "transport": {
     "description": "Name of a transport in the operator's configuration (not its type).",
     "type": "string",
     "minLength": 1,
     "maxLength": 63,
     "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    },
    "sidecar": {
     "description": "The injected container.",
     "type": "object",
     "properties": {
      "image": {
       "description": "Image of the injected sidecar. Default: the operator's.",
       "type": "string",
       "minLength": 1,
       "maxLength": 512
      },
      "imagePullPolicy": {
       "description": "When the sidecar's image is pulled.",
       "type": "string",
       "enum": [
        "Always",
        "IfNotPresent",
        "Never"
       ],
       "maxLength": 63,
       "default": "IfNotPresent"
      },
      "resources": {
       "description": "Replaces the operator's resources of the sidecar as a whole. Default: the operator's.",
       "type": "object",
       "properties": {
        "limits": {
         "description": "Upper bounds, as quantities.",
         "type": "object",
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+))?$"
         },
         "maxProperties": 32
        },
        "requests": {
         "description": "What the scheduler reserves, as quantities.",
         "type": "object",
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+))?$"
         },
         "maxProperties": 32
        },
        "claims": {
         "description": "Claims for dynamic resources.",
         "type": "array",
         "items": {
          "type": "object",
          "properties": {
           "name": {
            "description": "Name of a claim of the pod.",
            "type": "string",
            "minLength": 1,
            "maxLength": 63
           },
           "request": {
            "description": "Name of a request of that claim.",
            "type": "string",
            "maxLength": 63
           }
          },
          "required": [
           "name"
          ]
         },
         "x-kubernetes-list-type": "map",
         "maxItems": 32,
         "x-kubernetes-list-map-keys": [
          "name"
         ]
        }
       }
      },
      "env": {
       "description": "Added to the sidecar; wins over an injected variable of the same meaning.",
       "type": "array",
       "items": {
        "type": "object",
        "properties": {
         "name": {
          "description": "Name of the variable.",
          "type": "string",
          "minLength": 1,
          "maxLength": 256
         },
         "value": {
          "description": "Its value, as text.",
          "type": "string",
          "maxLength": 32768
         },
         "valueFrom": {
          "description": "Where the value comes from, in Kubernetes' form.",
          "type": "object",
          "x-kubernetes-preserve-unknown-fields": true
         }
        },
        "required": [
         "name"
        ]
       },
       "x-kubernetes-list-type": "map",
       "maxItems": 64,
       "x-kubernetes-list-map-keys": [
        "name"
       ]
      }
     },
     "x-kubernetes-validations": [
      {
       "rule": "!has(self.env) || self.env.all(e, !(e.name in ['ASYA_ACTOR_NAME','ASYA_NAMESPACE','ASYA_TRANSPORT','ASYA_QUEUE_NAME','ASYA_QUEUE_NAME_TEMPLATE','ASYA_SOCKET_DIR','ASYA_SOCKETS_DIR','ASYA_SOCKET_NAME']))",
       "message": "sidecar.env must not set a variable that the controller sets: actor name, namespace, transport, queue or socket"
      }
     ]
    },
    "timeout": {
     "description": "Time limits.",
     "type": "object",
     "properties": {
      "processing": {
       "description": "Longest run of the handler for one envelope, in seconds; 0 counts as absent. Default: 300.",
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 86400
      },
      "gracefulShutdown": {
       "description": "Termination grace of the pod, in seconds; 0 counts as absent. Default: that of the pod template, else processing + 30.",
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 90000
      }
     }
    },
    "scaling": {
     "description": "Autoscaling by KEDA.",
     "type": "object",
     "properties": {
      "enabled": {
       "description": "KEDA scales the workload.",
       "type": "boolean",
       "default": false
      },
      "minReplicas": {
       "description": "0 allows scale to zero.",
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 1000,
       "default": 0
      },
      "maxReplicas": {
       "description": "Most replicas at any time.",
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 1000,
       "default": 50
      },
      "pollingInterval": {
       "description": "How often KEDA looks at the queue, in seconds.",
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 3600,
       "default": 10
      },
      "cooldownPeriod": {
       "description": "Idle time before the step from N to 0, in seconds.",
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 86400,
       "default": 60
      },
      "queueLength": {
       "description": "Target number of messages, waiting and in work, per replica.",
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 1000000,
       "default": 5
      },
      "advanced": {
       "description": "Scaling modifiers of KEDA.",
       "type": "object",
       "properties": {
        "formula": {
         "description": "Scaling modifier of KEDA; the queue trigger is called queue. Needs a target.",
         "type": "string",
         "minLength": 1,
         "maxLength": 1024
        },
        "target": {
         "description": "Composite target, a decimal number in quotes.",
         "type": "string",
         "maxLength": 32,
         "pattern": "^[0-9]+(\\.[0-9]+)?$"
        },
        "activationTarget": {
         "description": "Composite activation value, a decimal number in quotes.",
         "type": "string",
         "maxLength": 32,
         "pattern": "^[0-9]+(\\.[0-9]+)?$"
        },
        "metricType": {
         "description": "Passed on; KEDA refuses Utilization for queue metrics.",
         "type": "string",
         "enum": [
          "AverageValue",
          "Value",
          "Utilization"
         ],
         "maxLength": 63,
         "default": "AverageValue"
        },
        "restoreToOriginalReplicaCount": {
         "description": "Passed on when true.",
         "type": "boolean",
         "default": false
        }
       },
       "x-kubernetes-validations": [
        {
         "rule": "!has(self.formula) || has(self.target)",
         "message": "scaling.advanced.formula requires scaling.advanced.target"
        }
       ]
      }
     },
     "x-kubernetes-validations": [
      {
       "rule": "self.minReplicas <= self.maxReplicas",
       "message": "scaling.minReplicas must not be greater than scaling.maxReplicas"
      }
     ]
    },
    "resiliency": {
     "description": "What happens when the handler fails.",
     "type": "object",
     "properties": {
      "actorTimeout": {
       "description": "Alias of timeout.processing; part seconds are rounded up.",
       "type": "string",
       "maxLength": 32,
       "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
       "x-kubernetes-validations": [
        {
         "rule": "!self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') || (duration(self) > duration('0s') && duration(self) <= duration('24h'))",
         "message": "must be a duration above 0s to 24h"
        }
       ]
      },
      "policies": {
       "description": "Retry policies by name; default is used when no rule matches.",
       "type": "object",
       "additionalProperties": {
        "type": "object",
        "properties": {
         "maxAttempts": {
          "description": "Runs at this actor in total, the first one included.",
          "type": "integer",
          "format": "int64",
          "minimum": 1,
          "maximum": 100,
          "default": 3
         },
         "backoff": {
          "description": "How the wait grows: d, d x n, d x 2^(n-1), with d = initialDelay.",
          "type": "string",
          "enum": [
           "constant",
           "linear",
           "exponential"
          ],
          "maxLength": 63,
          "default": "exponential"
         },
         "initialDelay": {
          "description": "First wait; 0s is allowed.",
          "type": "string",
          "maxLength": 32,
          "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
          "x-kubernetes-validations": [
           {
            "rule": "!self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') || (duration(self) >= duration('0s') && duration(self) <= duration('24h'))",
            "message": "must be a duration from 0s to 24h"
           }
          ],
          "default": "1s"
         },
         "maxInterval": {
          "description": "No wait is longer.",
          "type": "string",
          "maxLength": 32,
          "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
          "x-kubernetes-validations": [
           {
            "rule": "!self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') || (duration(self) > duration('0s') && duration(self) <= duration('24h'))",
            "message": "must be a duration above 0s to 24h"
           }
          ],
          "default": "5m"
         },
         "maxDuration": {
          "description": "No new run starts later than this after the first run at this actor. Default: no limit.",
          "type": "string",
          "maxLength": 32,
          "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
          "x-kubernetes-validations": [
           {
            "rule": "!self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') || (duration(self) > duration('0s') && duration(self) <= duration('24h'))",
            "message": "must be a duration above 0s to 24h"
           }
          ]
         },
         "jitter": {
          "description": "Randomises the wait, never above maxInterval.",
          "type": "boolean",
          "default": true
         },
         "onExhausted": {
          "description": "Actors that replace what is left of the route; empty means x-sump.",
          "type": "array",
          "items": {
           "type": "string",
           "minLength": 1,
           "maxLength": 63,
           "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
          },
          "x-kubernetes-list-type": "atomic",
          "maxItems": 8,
          "default": []
         }
        }
       },
       "maxProperties": 16
      },
      "rules": {
       "description": "First match wins.",
       "type": "array",
       "items": {
        "type": "object",
        "properties": {
         "errors": {
          "description": "Exception classes: a name with a dot is compared whole, one without a dot with the last part; ancestors count.",
          "type": "array",
          "items": {
           "type": "string",
           "minLength": 1,
           "maxLength": 256,
           "pattern": "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$"
          },
          "x-kubernetes-list-type": "atomic",
          "minItems": 1,
          "maxItems": 32
         },
         "policy": {
          "description": "Name of a policy.",
          "type": "string",
          "maxLength": 63
         }
        },
        "required": [
         "errors",
         "policy"
        ]
       },
       "x-kubernetes-list-type": "atomic",
       "maxItems": 64
      }
     },
     "x-kubernetes-validations": [
      {
       "rule": "!has(self.rules) || self.rules.all(r, has(self.policies) && r.policy in self.policies)",
       "message": "every resiliency rule must name a policy of resiliency.policies"
      },
      {
       "rule": "!has(self.policies) || self.policies.all(k, k.matches('^[A-Za-z0-9_-]{1,63}$'))",
       "message": "policy names use letters, digits, '-' and '_'"
      }
     ]
    },
    "workload": {
     "description": "The pods.",
     "type": "object",
     "properties": {
      "kind": {
       "description": "Kind of the workload. Default: Deployment.",
       "type": "string",
       "enum": [
        "Deployment",
        "StatefulSet"
       ],
       "maxLength": 63
      },
      "type": {
       "description": "Deprecated alias of kind.",
       "type": "string",
       "enum": [
        "Deployment",
        "StatefulSet"
       ],
       "maxLength": 63
      },
      "replicas": {
       "description": "Number of pods, used only while scaling is off. Default: 1.",
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 1000
      },
      "pythonExecutable": {
       "description": "Interpreter that starts the runtime. Default: python3.",
       "type": "string",
       "maxLength": 512
      },
      "template": {
       "description": "Pod template: metadata and spec.",
       "type": "object",
       "properties": {
        "metadata": {
         "description": "Labels and annotations of the pods.",
         "type": "object",
         "properties": {
          "labels": {
           "description": "Labels of the pods.",
           "type": "object",
           "additionalProperties": {
            "type": "string",
            "maxLength": 63
           },
           "maxProperties": 64
          },
          "annotations": {
           "description": "Annotations of the pods.",
           "type": "object",
           "additionalProperties": {
            "type": "string",
            "maxLength": 4096
           },
           "maxProperties": 64
          }
         },
         "x-kubernetes-preserve-unknown-fields": true,
         "x-kubernetes-validations": [
          {
           "rule": "!has(self.labels) || !('asya.sh/actor' in self.labels || 'asya.sh/asya' in self.labels || 'asya.sh/workload' in self.labels)",
           "message": "pod labels asya.sh/actor, asya.sh/asya and asya.sh/workload are set by the controller"
          }
         ]
        },
        "spec": {
         "description": "Pod spec, as in a Deployment.",
         "type": "object",
         "properties": {
          "containers": {
           "description": "Containers of the pod, one of them asya-runtime; the sidecar is added.",
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
              "description": "Name of the container; exactly one is asya-runtime.",
              "type": "string",
              "minLength": 1,
              "maxLength": 63
             },
             "image": {
              "description": "Image of the container.",
              "type": "string",
              "minLength": 1,
              "maxLength": 512
             },
             "command": {
              "description": "Entry point. Must be absent in asya-runtime: the controller sets it.",
              "type": "array",
              "items": {
               "type": "string",
               "maxLength": 32768
              },
              "x-kubernetes-list-type": "atomic",
              "maxItems": 64
             },
             "env": {
              "description": "Environment. asya-runtime needs ASYA_HANDLER.",
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "description": "Name of the variable.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 256
                },
                "value": {
                 "description": "Its value, as text.",
                 "type": "string",
                 "maxLength": 32768
                },
                "valueFrom": {
                 "description": "Where the value comes from, in Kubernetes' form.",
                 "type": "object",
                 "x-kubernetes-preserve-unknown-fields": true
                }
               },
               "required": [
                "name"
               ]
              },
              "x-kubernetes-list-type": "map",
              "maxItems": 256,
              "x-kubernetes-list-map-keys": [
               "name"
              ]
             },
             "volumeMounts": {
              "description": "Volumes that the container sees.",
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "description": "Name of a volume of the pod.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 63
                },
                "mountPath": {
                 "description": "Where it is mounted. /var/run/asya, /run/asya and /opt/asya are reserved in asya-runtime.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 1024
                }
               },
               "required": [
                "name",
                "mountPath"
               ],
               "x-kubernetes-preserve-unknown-fields": true
              },
              "x-kubernetes-list-type": "map",
              "maxItems": 64,
              "x-kubernetes-list-map-keys": [
               "mountPath"
              ]
             }
            },
            "required": [
             "name",
             "image"
            ],
            "x-kubernetes-preserve-unknown-fields": true
           },
           "x-kubernetes-list-type": "map",
           "minItems": 1,
           "maxItems": 32,
           "x-kubernetes-list-map-keys": [
            "name"
           ]
          },
          "initContainers": {
           "description": "Containers that run before the others.",
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
              "description": "Name of the container; exactly one is asya-runtime.",
              "type": "string",
              "minLength": 1,
              "maxLength": 63
             },
             "image": {
              "description": "Image of the container.",
              "type": "string",
              "minLength": 1,
              "maxLength": 512
             },
             "command": {
              "description": "Entry point. Must be absent in asya-runtime: the controller sets it.",
              "type": "array",
              "items": {
               "type": "string",
               "maxLength": 32768
              },
              "x-kubernetes-list-type": "atomic",
              "maxItems": 64
             },
             "env": {
              "description": "Environment. asya-runtime needs ASYA_HANDLER.",
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "description": "Name of the variable.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 256
                },
                "value": {
                 "description": "Its value, as text.",
                 "type": "string",
                 "maxLength": 32768
                },
                "valueFrom": {
                 "description": "Where the value comes from, in Kubernetes' form.",
                 "type": "object",
                 "x-kubernetes-preserve-unknown-fields": true
                }
               },
               "required": [
                "name"
               ]
              },
              "x-kubernetes-list-type": "map",
              "maxItems": 256,
              "x-kubernetes-list-map-keys": [
               "name"
              ]
             },
             "volumeMounts": {
              "description": "Volumes that the container sees.",
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "description": "Name of a volume of the pod.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 63
                },
                "mountPath": {
                 "description": "Where it is mounted. /var/run/asya, /run/asya and /opt/asya are reserved in asya-runtime.",
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 1024
                }
               },
               "required": [
                "name",
                "mountPath"
               ],
               "x-kubernetes-preserve-unknown-fields": true
              },
              "x-kubernetes-list-type": "map",
              "maxItems": 64,
              "x-kubernetes-list-map-keys": [
               "mountPath"
              ]
             }
            },
            "required": [
             "name",
             "image"
            ],
            "x-kubernetes-preserve-unknown-fields": true
           },
           "x-kubernetes-list-type": "map",
           "maxItems": 32,
           "x-kubernetes-list-map-keys": [
            "name"
           ]
          },
          "volumes": {
           "description": "Volumes of the pod.",
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
              "description": "Name of the volume; socket-dir and asya-* are reserved.",
              "type": "string",
              "minLength": 1,
              "maxLength": 63
             }
            },
            "required": [
             "name"
            ],
            "x-kubernetes-preserve-unknown-fields": true
           },
           "x-kubernetes-list-type": "map",
           "maxItems": 64,
           "x-kubernetes-list-map-keys": [
            "name"
           ]
          }
         },
         "required": [
          "containers"
         ],
         "x-kubernetes-preserve-unknown-fields": true,
         "x-kubernetes-validations": [
          {
           "rule": "self.containers.exists_one(c, c.name == 'asya-runtime')",
           "message": "exactly one container must be named asya-runtime"
          },
          {
           "rule": "self.containers.all(c, c.name != 'asya-runtime' || !has(c.command) || c.command.size() == 0)",
           "message": "container asya-runtime must not set command: the controller sets it"
          },
          {
           "rule": "self.containers.all(c, c.name != 'asya-sidecar') && (!has(self.initContainers) || self.initContainers.all(c, c.name != 'asya-sidecar' && c.name != 'asya-runtime'))",
           "message": "container name asya-sidecar is reserved, and asya-runtime cannot be an init container"
          },
          {
           "rule": "self.containers.all(c, c.name != 'asya-runtime' || (has(c.env) && c.env.exists(e, e.name == 'ASYA_HANDLER' && (has(e.valueFrom) || (has(e.value) && e.value != '')))))",
           "message": "container asya-runtime must set the environment variable ASYA_HANDLER"
          },
          {
           "rule": "self.containers.all(c, c.name != 'asya-runtime' || !has(c.env) || c.env.all(e, e.name == 'ASYA_SOCKET_DIR' || e.name == 'ASYA_SOCKETS_DIR' ? (has(e.value) && e.value == '/var/run/asya' && !has(e.valueFrom)) : (e.name == 'ASYA_SOCKET_NAME' ? (has(e.value) && e.value == 'asya-runtime.sock' && !has(e.valueFrom)) : true)))",
           "message": "container asya-runtime must not move the socket: ASYA_SOCKET_DIR, ASYA_SOCKETS_DIR and ASYA_SOCKET_NAME are set by the controller"
          },
          {
           "rule": "!has(self.volumes) || self.volumes.all(v, v.name != 'socket-dir' && !v.name.startsWith('asya-'))",
           "message": "volume names socket-dir and asya-* are reserved"
          },
          {
           "rule": "self.containers.all(c, c.name != 'asya-runtime' || !has(c.volumeMounts) || c.volumeMounts.all(m, m.mountPath != '/var/run/asya' && m.mountPath != '/run/asya' && m.mountPath != '/opt/asya' && !m.mountPath.startsWith('/var/run/asya/') && !m.mountPath.startsWith('/run/asya/') && !m.mountPath.startsWith('/opt/asya/')))",
           "message": "mount paths at or below /var/run/asya and /opt/asya are reserved in container asya-runtime"
          }
         ]
        }
       },
       "required": [
        "spec"
       ],
       "x-kubernetes-preserve-unknown-fields": true
      }
     },
     "required": [
      "template"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "!has(self.kind) || !has(self.type) || self.kind == self.type",
       "message": "workload.type is a deprecated alias of workload.kind: they must be equal when both are set"
      }
     ]
    }
   },
   "required": [
    "transport",
    "workload"
   ],
   "x-kubernetes-validations": [
    {
     "rule": "!has(self.timeout) || !has(self.timeout.processing) || self.timeout.processing == 0 || !has(self.resiliency) || !has(self.resiliency.actorTimeout) || !self.resiliency.actorTimeout.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') || (duration(self.resiliency.actorTimeout) + duration('999999999ns')).getSeconds() == self.timeout.processing",
     "message": "timeout.processing and resiliency.actorTimeout are one setting: they must be equal when both are set"
    }
   ]
  },
  "status": {
   "type": "object",
   "properties": {
    "observedGeneration": {
     "description": "Generation this status speaks about; -1 until the first finished pass.",
     "type": "integer",
     "format": "int64"
    },
    "status": {
     "description": "The state in one word.",
     "type": "string",
     "enum": [
      "Creating",
      "Running",
      "Napping",
      "Degraded",
      "ScalingUp",
      "ScalingDown",
      "Terminating",
      "TransportError",
      "WorkloadError",
      "PendingResources",
      "ImagePullError",
      "RuntimeError",
      "SidecarError",
      "VolumeError",
      "ConfigError",
      "ScalingError"
     ],
     "maxLength": 63
    },
    "message": {
     "description": "One sentence why; empty for Running and Napping.",
     "type": "string",
     "maxLength": 1024
    },
    "conditions": {
     "description": "Conditions in Kubernetes' standard form.",
     "type": "array",
     "items": {
      "type": "object",
      "properties": {
       "type": {
        "description": "What the condition is about.",
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "description": "Whether it holds.",
        "type": "string",
        "enum": [
         "True",
         "False",
         "Unknown"
        ],
        "maxLength": 63
       },
       "reason": {
        "description": "Why, in one word.",
        "type": "string",
        "maxLength": 1024
       },
       "message": {
        "description": "Why, in one sentence.",
        "type": "string",
        "maxLength": 1024
       },
       "observedGeneration": {
        "description": "Generation of the spec that this speaks about.",
        "type": "integer",
        "format": "int64"
       },
       "lastTransitionTime": {
        "description": "When status changed last.",
        "type": "string",
        "maxLength": 64,
        "format": "date-time"
       }
      },
      "required": [
       "type",
       "status"
      ]
     },
     "x-kubernetes-list-type": "map",
     "maxItems": 32,
     "x-kubernetes-list-map-keys": [
      "type"
     ]
    },
    "readyReplicas": {
     "description": "Pods that are Ready, not failing, not being deleted.",
     "type": "integer",
     "format": "int64"
    },
    "pendingReplicas": {
     "description": "Pods not Ready, not failing, not being deleted.",
     "type": "integer",
     "format": "int64"
    },
    "failingPods": {
     "description": "Pods that fail.",
     "type": "integer",
     "format": "int64"
    },
    "totalReplicas": {
     "description": "Pods in phase Pending, Running or Unknown, those being deleted included.",
     "type": "integer",
     "format": "int64"
    },
    "desiredReplicas": {
     "description": "Pods that should be there.",
     "type": "integer",
     "format": "int64"
    },
    "lastScaleTime": {
     "description": "Last change of desiredReplicas after the first value was known.",
     "type": "string",
     "maxLength": 64,
     "format": "date-time"
    },
    "lastScaleDirection": {
     "description": "Its direction.",
     "type": "string",
     "enum": [
      "up",
      "down"
     ],
     "maxLength": 63
    },
    "lastScaleFormatted": {
     "description": "How long ago that was, in words.",
     "type": "string",
     "maxLength": 64
    },
    "shortSince": {
     "description": "Start of the present shortage of Ready pods.",
     "type": "string",
     "maxLength": 64,
     "format": "date-time"
    },
    "scalingMode": {
     "description": "Who sets the number of pods.",
     "type": "string",
     "enum": [
      "KEDA",
      "Manual"
     ],
     "maxLength": 63
    },
    "transportStatus": {
     "description": "Whether the queue is usable.",
     "type": "string",
     "enum": [
      "Ready",
      "NotReady"
     ],
     "maxLength": 63
    },
    "transport": {
     "description": "The transport as resolved.",
     "type": "object",
     "properties": {
      "name": {
       "description": "Name in the operator's configuration.",
       "type": "string",
       "maxLength": 63
      },
      "type": {
       "description": "rabbitmq, sqs or sqlite.",
       "type": "string",
       "maxLength": 63
      }
     }
    },
    "queue": {
     "description": "Full name of the queue.",
     "type": "string",
     "maxLength": 255
    },
    "queueUrl": {
     "description": "Its address, where queues have one.",
     "type": "string",
     "maxLength": 2048
    },
    "deadLetterQueue": {
     "description": "Full name of the dead letter queue.",
     "type": "string",
     "maxLength": 255
    },
    "queuedMessages": {
     "description": "Messages that wait.",
     "type": "integer",
     "format": "int64"
    },
    "processingMessages": {
     "description": "Messages in work.",
     "type": "integer",
     "format": "int64"
    },
    "previousQueues": {
     "description": "Queues left behind by a change of transport or template.",
     "type": "array",
     "items": {
      "type": "object",
      "properties": {
       "transport": {
        "description": "Name of the transport it is on.",
        "type": "string",
        "maxLength": 63
       },
       "queue": {
        "description": "Full name of the queue.",
        "type": "string",
        "maxLength": 255
       }
      },
      "required": [
       "queue"
      ]
     },
     "x-kubernetes-list-type": "map",
     "maxItems": 4,
     "x-kubernetes-list-map-keys": [
      "queue"
     ]
    },
    "workloadRef": {
     "description": "The workload of this actor.",
     "type": "object",
     "properties": {
      "apiVersion": {
       "description": "Of the workload.",
       "type": "string",
       "maxLength": 317
      },
      "kind": {
       "description": "Deployment or StatefulSet.",
       "type": "string",
       "maxLength": 63
      },
      "name": {
       "description": "Of the workload.",
       "type": "string",
       "maxLength": 253
      }
     }
    },
    "scaledObjectRef": {
     "description": "The ScaledObject, while scaling is on.",
     "type": "object",
     "properties": {
      "name": {
       "description": "Of the ScaledObject.",
       "type": "string",
       "maxLength": 253
      }
     }
    },
    "suspended": {
     "description": "True while the annotation asya.sh/suspend is set.",
     "type": "boolean"
    },
    "lastHandledReconcileAt": {
     "description": "Newest handled value of a reconcile annotation.",
     "type": "string",
     "maxLength": 4096
    }
   },
   "default": {
    "observedGeneration": -1
   }
  }
 },
 "x-kubernetes-validations": [
  {
   "rule": "oldSelf.hasValue() || (self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))",
   "message": "metadata.name must be a DNS label of at most 63 characters (a-z, 0-9, '-')",
   "optionalOldSelf": true
  },
  {
   "rule": "(oldSelf.hasValue() && has(oldSelf.value().spec.scaling) && oldSelf.value().spec.scaling.enabled) || !has(self.spec.scaling) || !self.spec.scaling.enabled || self.metadata.name.size() <= 54",
   "message": "with scaling.enabled metadata.name must have at most 54 characters, so that keda-hpa-<name> fits",
   "optionalOldSelf": true
  },
  {
   "rule": "(oldSelf.hasValue() && ((has(oldSelf.value().spec.workload.kind) && oldSelf.value().spec.workload.kind == 'StatefulSet') || (has(oldSelf.value().spec.workload.type) && oldSelf.value().spec.workload.type == 'StatefulSet'))) || !((has(self.spec.workload.kind) && self.spec.workload.kind == 'StatefulSet') || (has(self.spec.workload.type) && self.spec.workload.type == 'StatefulSet')) || self.metadata.name.size() <= 52",
   "message": "with workload.kind StatefulSet metadata.name must have at most 52 characters, so that the revision label fits",
   "optionalOldSelf": true
  }
 ]
}""")
