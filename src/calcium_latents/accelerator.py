"""Where networks are computed: a job says `gpu` where it was granted one (workflow/job.sh), else `cpu`."""

from calcium_latents.errors import UserError

ACCELERATORS = ("cpu", "gpu")


def device_of(accelerator: str) -> str:
    """Return PyTorch's name of the device: cpu, or cuda for gpu.

    Raises UserError where it is neither, or PyTorch finds no GPU where one is asked for.
    """
    import torch

    if accelerator not in ACCELERATORS:
        raise UserError(f"accelerator: expected one of {', '.join(ACCELERATORS)}, found {accelerator!r}.")
    if accelerator == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        build = f"is a build for CUDA {torch.version.cuda}" if torch.version.cuda else "is a build without CUDA"
        raise UserError(
            f"accelerator=gpu: expected a GPU that PyTorch can use, found none (PyTorch {torch.__version__} {build})."
            " Look at `nvidia-smi`, or run on the CPU: `./run --resources gpu=0`, on its own accelerator=cpu."
        )
    return "cuda"
