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
     "type": "string",
     "minLength": 1,
     "maxLength": 63,
     "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    },
    "sidecar": {
     "type": "object",
     "properties": {
      "image": {
       "type": "string",
       "minLength": 1,
       "maxLength": 512
      },
      "imagePullPolicy": {
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
       "type": "object",
       "properties": {
        "limits": {
         "type": "object",
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+))?$"
         },
         "maxProperties": 32
        },
        "requests": {
         "type": "object",
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+))?$"
         },
         "maxProperties": 32
        },
        "claims": {
         "type": "array",
         "items": {
          "type": "object",
          "properties": {
           "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 63
           },
           "request": {
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
       "type": "array",
       "items": {
        "type": "object",
        "properties": {
         "name": {
          "type": "string",
          "minLength": 1,
          "maxLength": 256
         },
         "value": {
          "type": "string",
          "maxLength": 32768
         },
         "valueFrom": {
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
     "type": "object",
     "properties": {
      "processing": {
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 86400
      },
      "gracefulShutdown": {
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 90000
      }
     }
    },
    "scaling": {
     "type": "object",
     "properties": {
      "enabled": {
       "type": "boolean",
       "default": false
      },
      "minReplicas": {
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 1000,
       "default": 0
      },
      "maxReplicas": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 1000,
       "default": 50
      },
      "pollingInterval": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 3600,
       "default": 10
      },
      "cooldownPeriod": {
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 86400,
       "default": 60
      },
      "queueLength": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 1000000,
       "default": 5
      },
      "advanced": {
       "type": "object",
       "properties": {
        "formula": {
         "type": "string",
         "minLength": 1,
         "maxLength": 1024
        },
        "target": {
         "type": "string",
         "maxLength": 32,
         "pattern": "^[0-9]+(\\.[0-9]+)?$"
        },
        "activationTarget": {
         "type": "string",
         "maxLength": 32,
         "pattern": "^[0-9]+(\\.[0-9]+)?$"
        },
        "metricType": {
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
     "type": "object",
     "properties": {
      "actorTimeout": {
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
       "type": "object",
       "additionalProperties": {
        "type": "object",
        "properties": {
         "maxAttempts": {
          "type": "integer",
          "format": "int64",
          "minimum": 1,
          "maximum": 100,
          "default": 3
         },
         "backoff": {
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
          "type": "boolean",
          "default": true
         },
         "onExhausted": {
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
       "type": "array",
       "items": {
        "type": "object",
        "properties": {
         "errors": {
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
     "type": "object",
     "properties": {
      "kind": {
       "type": "string",
       "enum": [
        "Deployment",
        "StatefulSet"
       ],
       "maxLength": 63
      },
      "type": {
       "type": "string",
       "enum": [
        "Deployment",
        "StatefulSet"
       ],
       "maxLength": 63
      },
      "replicas": {
       "type": "integer",
       "format": "int64",
       "minimum": 0,
       "maximum": 1000
      },
      "pythonExecutable": {
       "type": "string",
       "maxLength": 512
      },
      "template": {
       "type": "object",
       "properties": {
        "metadata": {
         "type": "object",
         "properties": {
          "labels": {
           "type": "object",
           "additionalProperties": {
            "type": "string",
            "maxLength": 63
           },
           "maxProperties": 64
          },
          "annotations": {
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
         "type": "object",
         "properties": {
          "containers": {
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
              "type": "string",
              "minLength": 1,
              "maxLength": 63
             },
             "image": {
              "type": "string",
              "minLength": 1,
              "maxLength": 512
             },
             "command": {
              "type": "array",
              "items": {
               "type": "string",
               "maxLength": 32768
              },
              "x-kubernetes-list-type": "atomic",
              "maxItems": 64
             },
             "env": {
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 256
                },
                "value": {
                 "type": "string",
                 "maxLength": 32768
                },
                "valueFrom": {
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
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 63
                },
                "mountPath": {
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
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
              "type": "string",
              "minLength": 1,
              "maxLength": 63
             },
             "image": {
              "type": "string",
              "minLength": 1,
              "maxLength": 512
             },
             "command": {
              "type": "array",
              "items": {
               "type": "string",
               "maxLength": 32768
              },
              "x-kubernetes-list-type": "atomic",
              "maxItems": 64
             },
             "env": {
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 256
                },
                "value": {
                 "type": "string",
                 "maxLength": 32768
                },
                "valueFrom": {
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
              "type": "array",
              "items": {
               "type": "object",
               "properties": {
                "name": {
                 "type": "string",
                 "minLength": 1,
                 "maxLength": 63
                },
                "mountPath": {
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
           "type": "array",
           "items": {
            "type": "object",
            "properties": {
             "name": {
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
     "type": "integer",
     "format": "int64"
    },
    "status": {
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
     "type": "string",
     "maxLength": 1024
    },
    "conditions": {
     "type": "array",
     "items": {
      "type": "object",
      "properties": {
       "type": {
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "type": "string",
        "enum": [
         "True",
         "False",
         "Unknown"
        ],
        "maxLength": 63
       },
       "reason": {
        "type": "string",
        "maxLength": 1024
       },
       "message": {
        "type": "string",
        "maxLength": 1024
       },
       "observedGeneration": {
        "type": "integer",
        "format": "int64"
       },
       "lastTransitionTime": {
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
     "type": "integer",
     "format": "int64"
    },
    "pendingReplicas": {
     "type": "integer",
     "format": "int64"
    },
    "failingPods": {
     "type": "integer",
     "format": "int64"
    },
    "totalReplicas": {
     "type": "integer",
     "format": "int64"
    },
    "desiredReplicas": {
     "type": "integer",
     "format": "int64"
    },
    "lastScaleTime": {
     "type": "string",
     "maxLength": 64,
     "format": "date-time"
    },
    "lastScaleDirection": {
     "type": "string",
     "enum": [
      "up",
      "down"
     ],
     "maxLength": 63
    },
    "lastScaleFormatted": {
     "type": "string",
     "maxLength": 64
    },
    "shortSince": {
     "type": "string",
     "maxLength": 64,
     "format": "date-time"
    },
    "scalingMode": {
     "type": "string",
     "enum": [
      "KEDA",
      "Manual"
     ],
     "maxLength": 63
    },
    "transportStatus": {
     "type": "string",
     "enum": [
      "Ready",
      "NotReady"
     ],
     "maxLength": 63
    },
    "transport": {
     "type": "object",
     "properties": {
      "name": {
       "type": "string",
       "maxLength": 63
      },
      "type": {
       "type": "string",
       "maxLength": 63
      }
     }
    },
    "queue": {
     "type": "string",
     "maxLength": 255
    },
    "queueUrl": {
     "type": "string",
     "maxLength": 2048
    },
    "deadLetterQueue": {
     "type": "string",
     "maxLength": 255
    },
    "queuedMessages": {
     "type": "integer",
     "format": "int64"
    },
    "processingMessages": {
     "type": "integer",
     "format": "int64"
    },
    "previousQueues": {
     "type": "array",
     "items": {
      "type": "object",
      "properties": {
       "transport": {
        "type": "string",
        "maxLength": 63
       },
       "queue": {
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
     "type": "object",
     "properties": {
      "apiVersion": {
       "type": "string",
       "maxLength": 317
      },
      "kind": {
       "type": "string",
       "maxLength": 63
      },
      "name": {
       "type": "string",
       "maxLength": 253
      }
     }
    },
    "scaledObjectRef": {
     "type": "object",
     "properties": {
      "name": {
       "type": "string",
       "maxLength": 253
      }
     }
    },
    "suspended": {
     "type": "boolean"
    },
    "lastHandledReconcileAt": {
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
