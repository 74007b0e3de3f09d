"""Times RDSKD's step in eager PyTorch, to be measured beside `scripts/benchmark.py` on the same machine.

The networks, losses and optimizers are those of `rdskd.gin` on LeNet-5 with 1-channel 32x32 images, written
independently of this package. It needs `torch` alone: `python scripts/benchmark_pytorch.py --batch_size=256`.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


def lenet(width: float = 1.0) -> nn.Module:
    """Builds LeNet-5 from normalized images to logits."""
    a, b, c, d = (int(size * width) for size in (6, 16, 120, 84))
    return nn.Sequential(
        nn.Conv2d(1, a, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(a, b, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(b, c, 5), nn.ReLU(), nn.Flatten(), nn.Linear(c, d), nn.ReLU(), nn.Linear(d, 10),
    )  # fmt: skip


def generator(latent_dim: int = 100) -> nn.Module:
    """Builds the up-sampling generator."""
    return nn.Sequential(
        nn.Linear(latent_dim, 128 * 64), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128, 0.8), nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding=1), nn.BatchNorm2d(64, 0.8), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 3, padding=1), nn.Tanh(), nn.BatchNorm2d(1, affine=False),
    )  # fmt: skip


def synthesis_update(teacher, making, optimizer, batch_size):
    """One update of the generator on RDSKD's objective."""
    images = making(torch.randn(batch_size, 100))
    logits = teacher(images)
    p = logits.softmax(1)
    one_hot = F.cross_entropy(logits, logits.argmax(1))
    mean = p.mean(0)
    entropy = (mean * mean.log()).sum()
    (x1, x2), (p1, p2) = images.chunk(2), p.chunk(2)
    loss = one_hot.exp() + entropy.exp() + (p2 - p1).norm() / (x2 - x1).norm()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def student_update(teacher, making, student, optimizer, batch_size, temperature=10.0):
    """One update of the student on fresh images."""
    with torch.no_grad():
        images = making(torch.randn(batch_size, 100))
        targets = F.softmax(teacher(images) / temperature, 1)
    predicted = F.log_softmax(student(images) / temperature, 1)
    loss = temperature**2 * F.kl_div(predicted, targets, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def median_seconds(update, repeats: int) -> float:
    """Returns the median time of `update` after three warm-up calls."""
    times = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        update()
        times.append(time.perf_counter() - started)
    return statistics.median(times[3:])


def main() -> None:
    """Prints the medians as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    teacher, making, student = lenet().eval().requires_grad_(False), generator(), lenet(0.5)
    making_optimizer = torch.optim.Adam(making.parameters(), 1e-3)
    student_optimizer = torch.optim.Adam(student.parameters(), 2e-3)
    size = arguments.batch_size
    synthesis = median_seconds(lambda: synthesis_update(teacher, making, making_optimizer, size), arguments.repeats)
    making.eval()
    distilling = median_seconds(
        lambda: student_update(teacher, making, student, student_optimizer, size), arguments.repeats
    )
    result = {"torch": torch.__version__, "batch_size": size, "threads": torch.get_num_threads()}
    result |= {"seconds_per_synthesis_update": synthesis, "seconds_per_student_update": distilling}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
