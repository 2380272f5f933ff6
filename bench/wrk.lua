-- wrk ... -s wrk.lua URL -- BODY HEAD: posts the file BODY again and again, as binary tensors after
-- HEAD bytes of JSON, or as JSON where HEAD is 0. Prints one line of JSON at the end.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local body = file:read("*a")
  file:close()
  local headers = {["Content-Type"] = "application/json"}
  if args[2] ~= "0" then
    headers = {
      ["Content-Type"] = "application/octet-stream",
      ["Inference-Header-Content-Length"] = args[2],
    }
  end
  local prepared = wrk.format("POST", nil, headers, body)
  request = function() return prepared end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
