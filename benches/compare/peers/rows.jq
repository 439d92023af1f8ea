# One record to the columns of the question; arrays of records are opened.
def moment: if test("[+-][0-9][0-9]:[0-9][0-9]$")
  then (.[0:19] + "Z" | fromdateiso8601) - (.[-6:-3] | tonumber) * 3600 | todate else sub(" "; "T") end | .[0:19];
(if type == "array" then .[] else . end)
| select(.schemaType == null or .schemaType == "ModelInvocationLog")
| [.accountId, .region, (.requestId // ""), (.modelId | sub($prefix; "")), ((.errorCode // "") == ""),
   .input.inputTokenCount, .input.cacheReadInputTokenCount, .input.cacheWriteInputTokenCount, .output.outputTokenCount,
   (.timestamp | moment)]
