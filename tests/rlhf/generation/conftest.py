"""The real vLLM of these tests."""

from tests.vllm_fixtures import real_model, vllm_engine, vllm_server

__all__ = ["real_model", "vllm_engine", "vllm_server"]
