-- Argo CD's health check for AsyncActor: goes into ConfigMap argocd-cm as resource.customizations.health.asya.sh_AsyncActor.
-- The order is that of the specification: what a person asked for first, then what the controller has not seen yet, then what it says.
local errors = {
  Degraded = true, TransportError = true, ScalingError = true, WorkloadError = true, ImagePullError = true,
  RuntimeError = true, SidecarError = true, VolumeError = true, ConfigError = true,
}

local function condition(status, name)
  for _, found in ipairs(status.conditions or {}) do
    if found.type == name then return found.status end
  end
end

local function verdict()
  local status = obj.status or {}
  local annotations = obj.metadata.annotations or {}
  if annotations["asya.sh/suspend"] == "true" then return "Suspended" end
  if obj.metadata.deletionTimestamp ~= nil then return "Progressing" end
  if status.observedGeneration ~= obj.metadata.generation then return "Progressing" end
  if condition(status, "Stalled") == "True" then return "Degraded" end
  if condition(status, "Ready") == "True" then return "Healthy" end
  if errors[status.status] then return "Degraded" end
  return "Progressing"
end

local function message()
  local status = obj.status or {}
  if status.status == nil then return "the controller has not looked at it yet" end
  return status.message or "" -- a running or napping actor has nothing to say
end

return {status = verdict(), message = message()}
