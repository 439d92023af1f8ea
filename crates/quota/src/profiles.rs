//! What application inference profiles were copied from: `aws bedrock list-inference-profiles`, or a plain map.
