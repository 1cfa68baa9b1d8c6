"""Time and memory of a training step of the digital twin, beside a plain version of the same model.

    python benchmarks/twin_step.py     # 64 images of 36 x 64 px, 1,000 neurons, 16 features x 8 rotations: the paper's
    python benchmarks/twin_step.py --image 26 26 --neurons 300 --features 16 8 8 --batch 32    # about the quick scale

A step is the forward pass, the loss with all penalties, the backward pass and the optimiser. The plain version is what
one writes first: float32, channels first, normalisation by hand over the features of all rotations, masks one image at
a time (`bcp,np->bnc`), penalties on the filters of all rotations, `torch.optim.Adam`. It and ours, in float32 and in
bfloat16, step in turns, each in a process of its own. Prints wall and CPU seconds (medians; the latter hardly depend on
what else runs), their ratios, each process's peak memory, and first how far rates and gradients of both versions are
apart in float32, so that like is compared with like. The allocator settings of the training rule
(workflow/rules/training.smk) make all three faster; set them in the environment to compare.
"""

import argparse
import multiprocessing
import resource
import statistics
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.models.digital_twin.normalisation import EPSILON
from calcium_latents.models.digital_twin.orthogonal_momentum import OrthogonalMomentum
from calcium_latents.models.digital_twin.parameters import CoreSizes, PenaltyWeights
from calcium_latents.models.digital_twin.penalties import group_norm, roughness
from calcium_latents.models.digital_twin.twin import DigitalTwin, poisson_loss
from calcium_latents.seeds import generator

NAMES = ("plain", "float32", "bfloat16")
LEARNING_RATE = 1e-3


def make_twin(options: argparse.Namespace) -> DigitalTwin:
    """Return a twin with masks and weights large enough that rates differ between images."""
    layers = len(options.kernels)
    features = options.features * layers if len(options.features) == 1 else options.features
    sizes = CoreSizes(features=features, kernels=options.kernels, rotations=options.rotations)
    twin = DigitalTwin(sizes, tuple(options.image), options.neurons, torch.Generator().manual_seed(1))
    with torch.no_grad():
        twin.masks.abs_()
        twin.weights.mul_(10)
    return twin.train()


def make_batch(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Return images [b, y, x] and responses [b, N]."""
    random = generator(1, "benchmark", "twin step")
    images = random.standard_normal((options.batch, *options.image)).astype(np.float32)
    responses = random.poisson(1.0, (options.batch, options.neurons)).astype(np.float32)
    return torch.from_numpy(images), torch.from_numpy(responses)


def make_penalties(layers: int) -> PenaltyWeights:
    """Return the published penalties for a core of this many layers."""
    return PenaltyWeights(
        smoothness_layers=(1.0,) + (0.5,) * (layers - 1),
        sparsity_layers=(0.0,) + (1.0,) * (layers - 1),
    )


class PlainLayer(nn.Module):
    """Filters of all rotations one by one, convolution, normalisation by hand; [b, rotation * feature, y, x]."""

    def __init__(self, bank: Tensor, coefficients: Tensor, first: bool, last: bool):
        super().__init__()
        self.register_buffer("bank", bank.clone())
        self.coefficients = nn.Parameter(coefficients.detach().clone())
        self.first, self.last = first, last
        features = coefficients.shape[2]
        self.bias = nn.Parameter(torch.zeros(features))
        self.scale = None if last else nn.Parameter(torch.ones(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_variance", torch.ones(features))

    def filters(self) -> Tensor:
        """Filters [rotation * feature, inputs, kernel, kernel]."""
        rotations, filters = len(self.bank), []
        for number in range(rotations):
            coefficients = self.coefficients
            if not self.first:
                groups = coefficients.unflatten(1, (rotations, -1))
                coefficients = groups.roll(number, 1).flatten(1, 2)
            filters.append(torch.einsum("cyx,cif->fiyx", self.bank[number], coefficients))
        return torch.cat(filters)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, and bend all but the last layer's."""
        filters = self.filters()
        x = functional.conv2d(x, filters, padding=filters.shape[-1] // 2).unflatten(1, (len(self.bank), -1))
        mean, variance = x.mean((0, 1, 3, 4)), x.var((0, 1, 3, 4), unbiased=False)
        with torch.no_grad():
            self.running_mean.lerp_(mean, 0.1)
            self.running_variance.lerp_(variance, 0.1)
        x = (x - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + EPSILON)
        if self.scale is not None:
            x = x * self.scale[:, None, None]
        x = (x + self.bias[:, None, None]).flatten(1, 2)
        return x if self.last else functional.softplus(x)


class PlainTwin(nn.Module):
    """The same model and weights as `twin`, written plainly."""

    def __init__(self, twin: DigitalTwin):
        super().__init__()
        layers = list(twin.core.layers)
        self.layers = nn.ModuleList(
            PlainLayer(layer.bank, layer.coefficients, layer is layers[0], layer is layers[-1]) for layer in layers
        )
        self.masks, self.weights, self.bias = (
            nn.Parameter(value.detach().clone()) for value in (twin.masks, twin.weights, twin.bias)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Rates [b, N] to images [b, y, x]."""
        x = images[:, None]
        for layer in self.layers:
            x = layer(x)
        pooled = torch.einsum("bcp,np->bnc", x.flatten(2), self.masks.flatten(1))
        return functional.softplus(torch.einsum("bnc,nc->bn", pooled, self.weights.flatten(1)) + self.bias)

    def penalty(self, penalties: PenaltyWeights) -> Tensor:
        """Sum of all penalties, on the filters of all rotations."""
        total = penalties.readout * (self.masks.abs().sum((1, 2)) * self.weights.abs().sum((1, 2))).sum()
        weights = zip(self.layers, penalties.smoothness_layers, penalties.sparsity_layers, strict=True)
        for layer, smooth, sparse in weights:
            filters = layer.filters()
            total = total + penalties.smoothness * smooth * roughness(filters)
            total = total + penalties.sparsity * sparse * group_norm(filters)
        return total


class Step:
    """Training steps of one of the three on one batch.

    Args:
        name: of `NAMES`.
        options: of the command line.
    """

    def __init__(self, name: str, options: argparse.Namespace):
        self.images, self.responses = make_batch(options)
        self.penalties = make_penalties(len(options.kernels))
        twin = make_twin(options)
        if name == "plain":
            self.model = PlainTwin(twin)
            self.penalty = self.model.penalty
            self.optimizer = torch.optim.Adam(self.model.parameters(), LEARNING_RATE)
            return
        self.model, twin.compute_dtype = twin, getattr(torch, name)
        self.penalty = lambda penalties: penalties.value(twin)
        filters = [layer.coefficients for layer in twin.core.layers]
        known = {id(parameter) for parameter in filters}
        others = [parameter for parameter in twin.parameters() if id(parameter) not in known]
        groups = [{"params": filters, "orthogonal": options.optimiser == "orthogonal"}, {"params": others}]
        self.optimizer = OrthogonalMomentum(groups, LEARNING_RATE)

    def run(self) -> None:
        """One step, as `training.digital_twin_module` makes it."""
        loss = poisson_loss(self.model(self.images), self.responses) + self.penalty(self.penalties)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def compare_values(options: argparse.Namespace) -> None:
    """Print how far rates, gradients and penalties of the plain version and ours are apart, in float32."""
    torch.set_num_threads(options.threads)
    plain, ours = (Step(name, options) for name in ("plain", "float32"))
    rates = [step.model(step.images) for step in (plain, ours)]
    for step, rate in zip((plain, ours), rates, strict=True):
        poisson_loss(rate, step.responses).backward()
    layers = list(zip(plain.model.layers, ours.model.core.layers, strict=True))
    pairs = {f"filters {k + 1}": (a.coefficients, b.coefficients) for k, (a, b) in enumerate(layers)}
    pairs |= {f"scale {k + 1}": (a.scale, b.normalisation.scale) for k, (a, b) in enumerate(layers) if not a.last}
    pairs |= {f"bias {k + 1}": (a.bias, b.normalisation.bias) for k, (a, b) in enumerate(layers)}
    pairs |= {name: (getattr(plain.model, name), getattr(ours.model, name)) for name in ("masks", "weights", "bias")}
    apart = {name: relative(a.grad, b.grad) for name, (a, b) in pairs.items()}
    worst = max(apart, key=apart.get)
    spread = rates[0].detach().std(0).mean().item()
    print(f"rates apart by {relative(*rates):.1e} at most, relative to the largest (sd over images {spread:.2f});")
    print(f"gradients by {apart[worst]:.1e} ({worst}) at most, relative to a parameter's largest;", end=" ")
    values = [step.penalty(step.penalties).item() for step in (plain, ours)]
    print(f"penalties by {abs(values[1] / values[0] - 1):.1e} (ours: one rotation, for all)")


def relative(expected: Tensor, found: Tensor) -> float:
    """Largest difference over the largest expected magnitude."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def worker(connection, name: str, options: argparse.Namespace) -> None:
    """Make a step at each request, answer with wall and CPU seconds; in the end, with the peak memory in GB."""
    torch.set_num_threads(options.threads)
    step = Step(name, options)
    while connection.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        step.run()
        connection.send((time.perf_counter() - wall, time.process_time() - cpu))
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def compare_times(options: argparse.Namespace) -> None:
    """Print seconds and memory of a step of each, in turns."""
    context = multiprocessing.get_context("spawn")
    ends, processes, seconds = {}, [], {name: [] for name in NAMES}
    for name in NAMES:
        ends[name], other = context.Pipe()
        processes.append(context.Process(target=worker, args=(other, name, options)))
        processes[-1].start()
    for number in range(options.repeats + 1):
        for name, end in ends.items():
            end.send(True)
            measured = end.recv()
            if number > 0:  # the first step makes the optimiser's state
                seconds[name].append(measured)
    medians = {}
    for name, end in ends.items():
        end.send(False)
        wall, cpu = medians[name] = [statistics.median(column) for column in zip(*seconds[name], strict=True)]
        least = min(cpu for _, cpu in seconds[name])
        print(f"{name:9s} wall {wall:.3f} s, CPU {cpu:.3f} s (least {least:.3f} s), peak memory {end.recv():.2f} GB")
    for name in NAMES[1:]:
        ratios = [theirs / ours for theirs, ours in zip(medians["plain"], medians[name], strict=True)]
        print(f"plain / {name}: wall {ratios[0]:.2f}, CPU {ratios[1]:.2f}")
    for process in processes:
        process.join()


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--image", type=int, nargs=2, default=[36, 64], metavar=("Y", "X"), help="px")
    parser.add_argument("--neurons", type=int, default=1000)
    parser.add_argument("--features", type=int, nargs="+", default=[16], help="of each layer, or one number for all")
    parser.add_argument("--kernels", type=int, nargs="+", default=[13, 5, 5], help="of each layer, px")
    parser.add_argument("--rotations", type=int, default=8)
    parser.add_argument("--optimiser", choices=["adam", "orthogonal"], default="adam", help="of our filters")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each, after one that is not")
    options = parser.parse_args()
    image, kernels = "x".join(map(str, options.image)), "/".join(map(str, options.kernels))
    features = "/".join(map(str, options.features))
    print(
        f"batch {options.batch}, {image} px, {options.neurons} neurons, {features} features x {options.rotations}"
        f" rotations, kernels {kernels}, {options.optimiser}, threads {options.threads}, {options.repeats} turns",
        flush=True,
    )
    # in a process of its own: a process starts with its parent's peak memory as its own
    comparison = multiprocessing.get_context("spawn").Process(target=compare_values, args=(options,))
    comparison.start()
    comparison.join()
    compare_times(options)


if __name__ == "__main__":
    main()
