"""What running out of memory looks like, on whichever device it happens."""

import torch

_WORDS = (
    "can't allocate memory",  # torch's allocator for the CPU
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cuda error: out of memory",
    "mps backend out of memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had; smaller batches may help."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in told for words in _WORDS)


def release() -> None:
    """Give back what the allocator keeps for later, so that smaller tensors find room."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
