"""Cluster MEIs: one template for a whole cluster, shifted to each neuron's place and turned to its orientation.

Eqs 4 to 8 of the digital-twin paper. A template is a sum of polar Hermite functions
(`models.digital_twin.hermite_functions`), so that turning it is a linear map of its coefficients; coefficients beta
and one angle per neuron are optimised together for the largest mean rate of the cluster at a fixed L2 norm of every
image. Places are given, not optimised.

The mean rate has many local maxima in the angles, so every angle is first searched over a whole turn for several
candidate templates (in practice MEIs of single neurons), and the best candidate is refined by gradient. The search
needs neither the neurons' preferred orientations nor the shifts by which their bar codes were aligned, so what it
finds can be compared with both.

All groups of neurons are optimised in one batch; groups do not affect each other. A random group is as good as a
cluster here, which gives the null for how much of the drive a shared template reaches.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.hermite_functions import (
    angular_orders,
    are_sines,
    hermite_functions,
    rotation_matrix,
)
from calcium_latents.progress import progress
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_parameters import ClusterMeiParameters
from calcium_latents.studies.digital_twin.optimal_stimuli.most_exciting_images import TINY, OwnRates, to_norm


@dataclass(frozen=True)
class ClusterMeis:
    """Templates of g groups, and how n neurons see them.

    Attributes:
        coefficients: [g, coefficients] of unit L2 norm, turned so that the template's stripes are vertical.
        rotation_rad: [n] in [0, 2 pi): angle by which the template is turned for each neuron.
        rates: [n], rate of each neuron to its group's template at its own place and angle, in the model's unit.
        group: [n].
    """

    coefficients: np.ndarray
    rotation_rad: np.ndarray
    rates: np.ndarray
    group: np.ndarray


class Placed:
    """The basis at the places of n neurons: renders turned templates, and asks the model for rates.

    Args:
        own_rates: rate of each image's own neuron.
        neurons: [n].
        centre_px: [n, 2] (y, x) in px, pixel centres at whole numbers.
        image_shape: (y, x), px.
        parameters: of the basis and the batch.
        norm: L2 norm of every image as shown, after it was cut at the border.
        device: where `own_rates` takes its images.
    """

    def __init__(self, own_rates: OwnRates, neurons, centre_px, image_shape, parameters, norm, device="cpu"):
        self.own_rates, self.parameters, self.norm = own_rates, parameters, norm
        self.image_shape, self.device = tuple(image_shape), device
        self.neurons = torch.as_tensor(np.asarray(neurons, np.int64), device=device)
        centre_px = np.asarray(centre_px, float)
        if centre_px.shape != (len(self.neurons), 2) or not np.isfinite(centre_px).all():
            raise UserError(
                f"cluster MEIs: centre_px: expected finite places [{len(self.neurons)}, 2], found shape "
                f"{centre_px.shape}, {int((~np.isfinite(centre_px)).sum())} not finite. Give every neuron a place."
            )
        orders, sines = angular_orders(parameters.max_rank), are_sines(parameters.max_rank)
        index = np.arange(orders.size)
        cosines = np.r_[sines[1:], False]
        self.orders = torch.as_tensor(orders, dtype=torch.float32, device=device)
        self.partner = torch.as_tensor(np.where(sines, index - 1, np.where(cosines, index + 1, index)), device=device)
        self.sign = torch.as_tensor(np.where(sines, 1.0, np.where(cosines, -1.0, 0.0)), dtype=torch.float32).to(device)
        self.basis = torch.stack([self._basis_at(y, x) for y, x in centre_px])

    def __len__(self) -> int:
        return len(self.neurons)

    def _basis_at(self, y: float, x: float) -> Tensor:
        rows, columns = (np.arange(size) for size in self.image_shape)
        at = hermite_functions(
            rows[:, None] - y, columns[None] - x, self.parameters.max_rank, self.parameters.scale_px
        ).reshape(len(self.orders), -1)
        return torch.as_tensor(at, dtype=torch.float32, device=self.device)

    def project(self, images: np.ndarray) -> np.ndarray:
        """Return coefficients [n, coefficients] of images [n, y, x], each about its neuron's place."""
        flat = torch.as_tensor(np.asarray(images, np.float32), device=self.device).flatten(1)
        return torch.einsum("ncp,np->nc", self.basis, flat).cpu().numpy().astype(float)

    def render(self, coefficients: Tensor, angle: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return images [k, y, x] of coefficients [k, coefficients] turned by angle [k] at the places `which`."""
        turn = angle[:, None] * self.orders
        turned = torch.cos(turn) * coefficients + torch.sin(turn) * self.sign * coefficients[:, self.partner]
        images = torch.einsum("kc,kcp->kp", turned, self.basis[which]).unflatten(1, self.image_shape)
        return to_norm(images, self.norm)

    def search(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (rate [n], angle [n]) at the best of `angles` angles, for coefficients [n, coefficients]."""
        angles = torch.arange(self.parameters.angles, device=self.device) * (2 * np.pi / self.parameters.angles)
        every_beta = torch.as_tensor(coefficients, dtype=torch.float32, device=self.device)
        neuron = torch.arange(len(self), device=self.device).repeat_interleave(len(angles))
        every = angles.float().repeat(len(self))
        rates = []
        with torch.no_grad():
            for part in neuron.split(self.parameters.batch_images):
                start = sum(map(len, rates))
                images = self.render(every_beta[part], every[start : start + len(part)], part)
                rates.append(self.own_rates(images, self.neurons[part]).float())
        rates = torch.cat(rates).view(len(self), len(angles))
        best = rates.argmax(dim=1)
        return rates.gather(1, best[:, None])[:, 0].cpu().numpy().astype(float), angles[best].cpu().numpy().astype(
            float
        )


def fit_cluster_meis(
    placed: Placed, group: np.ndarray, candidates: np.ndarray, *, rate_unit: np.ndarray | None = None
) -> ClusterMeis:
    """Fit one template to each group of neurons.

    Args:
        placed: the n neurons.
        group: [n] group of each, 0 to g - 1, none empty.
        candidates: [g, starts, coefficients] templates to start from.
        rate_unit: [n] positive; the mean is over rates in these units, so that no neuron of large gain decides alone.

    Raises:
        UserError: an empty group, or rates that are not finite.
    """
    group = np.asarray(group)
    unit = np.ones(len(placed)) if rate_unit is None else np.asarray(rate_unit, float)
    groups, starts, _ = candidates.shape
    members = np.bincount(group, minlength=groups)
    if len(members) > groups or not members.all():
        raise UserError(f"cluster MEIs: expected neurons in each of {groups} groups, found {members.tolist()}.")
    searched = [placed.search(candidates[group, start]) for start in range(starts)]
    if not all(np.isfinite(rates).all() for rates, _ in searched):
        raise UserError("cluster MEIs: expected finite rates, found others. Check that the model did not diverge.")
    means = np.stack([_means(rates / unit, group, members) for rates, _ in searched])  # [start, group]
    best = means.argmax(axis=0)
    beta = candidates[np.arange(groups), best]
    angle = np.stack([angles for _, angles in searched])[best[group], np.arange(len(group))]
    climb = _Climb(placed, group, 1 / (unit * members[group]), _unit_norm(beta), angle)
    shares = np.array_split(np.arange(placed.parameters.steps), placed.parameters.rounds)
    for number, share in enumerate(progress(shares, "cluster MEIs", unit="round")):
        if number:
            climb.search()
        for _ in share:
            climb.step()
    beta, angle, rates = climb.result()
    upright = np.array([dominant_orientation(row, placed.parameters) for row in beta])
    turned = np.stack([
        rotation_matrix(placed.parameters.max_rank, -turn) @ row for row, turn in zip(beta, upright, strict=True)
    ])  # fmt: skip
    return ClusterMeis(turned, np.mod(angle + upright[group], 2 * np.pi), rates, group)


class _Climb:
    """Joint gradient ascent of coefficients [g, c] and angles [n]; keeps each group's best state."""

    def __init__(self, placed: Placed, group, weight, beta, angle):
        self.placed = placed
        device = placed.device
        self.group = torch.as_tensor(group, device=device)
        self.weight = torch.as_tensor(weight, dtype=torch.float32, device=device)
        self.beta = torch.tensor(beta, dtype=torch.float32, device=device, requires_grad=True)
        self.angle = torch.tensor(angle, dtype=torch.float32, device=device, requires_grad=True)
        rate = placed.parameters.learning_rate
        each = beta.shape[1] ** -0.5  # root mean square of coefficients of unit norm
        self.adam = torch.optim.Adam([{"params": [self.beta], "lr": rate * each}, {"params": [self.angle], "lr": rate}])
        self.best = torch.full((len(beta),), -torch.inf, device=device)
        self.best_beta, self.best_angle = self.beta.detach().clone(), self.angle.detach().clone()
        self.best_rate = torch.zeros(len(group), device=device)

    def _evaluate(self, climbing: bool) -> Tensor:
        """Return rates [n] at the present state, and leave gradients if `climbing`."""
        rates = []
        for part in torch.arange(len(self.placed), device=self.placed.device).split(
            self.placed.parameters.batch_images
        ):
            with torch.set_grad_enabled(climbing):
                images = self.placed.render(self.beta[self.group[part]], self.angle[part], part)
                own = self.placed.own_rates(images, self.placed.neurons[part]).float()
                if climbing:
                    (-own * self.weight[part]).sum().backward()
            rates.append(own.detach())
        return torch.cat(rates)

    @torch.no_grad()
    def _note(self, rates: Tensor) -> None:
        mean = torch.zeros_like(self.best).index_add_(0, self.group, rates * self.weight)
        better = mean > self.best
        own = better[self.group]
        self.best = torch.where(better, mean, self.best)
        self.best_beta = torch.where(better[:, None], self.beta, self.best_beta)
        self.best_angle = torch.where(own, self.angle, self.best_angle)
        self.best_rate = torch.where(own, rates, self.best_rate)

    def step(self) -> None:
        self.adam.zero_grad()
        self._note(self._evaluate(climbing=True))
        self.adam.step()
        with torch.no_grad():
            # The images' norm is fixed, so the length of beta only sets how far a step goes.
            self.beta /= self.beta.norm(dim=1, keepdim=True).clamp_min(TINY)

    def search(self) -> None:
        """Go back to the best state, and there turn each neuron to the best angle of a whole turn, if it is better."""
        self._note(self._evaluate(climbing=False))
        rates, angle = self.placed.search(self.best_beta.cpu().numpy()[self.group.cpu().numpy()])
        better = torch.as_tensor(rates, dtype=torch.float32).to(self.best_rate) > self.best_rate
        with torch.no_grad():
            self.beta.copy_(self.best_beta)
            self.angle.copy_(torch.where(better, torch.as_tensor(angle).to(self.angle), self.best_angle))

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._note(self._evaluate(climbing=False))
        beta, angle, rate = (array.cpu().numpy() for array in (self.best_beta, self.best_angle, self.best_rate))
        return _unit_norm(beta).astype(float), angle.astype(float), rate.astype(float)


def _unit_norm(coefficients: np.ndarray) -> np.ndarray:
    return coefficients / np.maximum(np.linalg.norm(coefficients, axis=-1, keepdims=True), TINY)


def _means(values: np.ndarray, group: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.bincount(group, values, minlength=len(members)) / members


def template_images(coefficients: np.ndarray, parameters: ClusterMeiParameters) -> np.ndarray:
    """Return templates [g, size, size] about their centre, of an odd size that holds extent_px; unit L2 norm."""
    half = int(np.ceil(parameters.extent_px / 2))
    axis = np.arange(-half, half + 1)
    basis = hermite_functions(axis[:, None], axis[None], parameters.max_rank, parameters.scale_px)
    images = np.tensordot(coefficients, basis, axes=1)
    norms = np.sqrt((images**2).sum(axis=(1, 2), keepdims=True))
    return (images / np.maximum(norms, TINY)).astype(np.float32)


def dominant_orientation(coefficients: np.ndarray, parameters: ClusterMeiParameters) -> float:
    """Return the orientation of a template's wave vector in (-pi/2, pi/2]: half the angle of its spectrum's 2nd moment.

    The template has `coefficients` [coefficients]. It vanishes for templates without
    orientation, which then keep the angle that rounding gives them.
    """
    half = 2 * int(np.ceil(parameters.extent_px))
    axis = np.arange(-half, half + 1) / 2
    basis = hermite_functions(axis[:, None], axis[None], parameters.max_rank, parameters.scale_px)
    power = np.abs(np.fft.fft2(np.tensordot(coefficients, basis, axes=1))) ** 2
    down, right = np.fft.fftfreq(len(axis))[:, None], np.fft.fftfreq(len(axis))[None]
    return float(np.arctan2((2 * down * right * power).sum(), ((right**2 - down**2) * power).sum()) / 2)


def fraction_of_own(rates: np.ndarray, own: np.ndarray, group: np.ndarray, rate_unit: np.ndarray) -> np.ndarray:
    """Return [g] a group's mean rate relative to the mean rate of its neurons' own MEIs, both in units of `rate_unit`.

    Args:
        rates, own: [n], rates to the shared template and to the own MEI.
        group: [n].
        rate_unit: [n].
    """
    members = np.bincount(group)
    reached, possible = (_means(values / rate_unit, group, members) for values in (rates, own))
    return np.where(possible > 0, reached / np.where(possible > 0, possible, 1), np.nan)
