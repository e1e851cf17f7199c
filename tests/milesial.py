"""The network of github.com/milesial/Pytorch-UNet, whose weights can be imported."""

import torch
from torch import nn


class DoubleConv(nn.Module):
    """The layers of github.com/milesial/Pytorch-UNet under their names, written anew for this test."""

    def __init__(self, channels_in, channels, *, bias=False):
        super().__init__()
        layers = []
        for n in (channels_in, channels):
            layers += [nn.Conv2d(n, channels, 3, padding=1, bias=bias), nn.BatchNorm2d(channels), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, channels, *, bias):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, 2 * channels, bias=bias))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, channels, *, bias):
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
        self.conv = DoubleConv(channels, channels // 2, bias=bias)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class OutConv(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class Milesial(nn.Module):
    def __init__(self, channels=1, outputs=2, base=4, depth=4, *, bias=False):
        super().__init__()
        self.depth = depth
        self.inc = DoubleConv(channels, base, bias=bias)
        for n in range(1, depth + 1):
            setattr(self, f"down{n}", Down(base * 2 ** (n - 1), bias=bias))
            setattr(self, f"up{n}", Up(base * 2 ** (depth - n + 1), bias=bias))
        self.outc = OutConv(base, outputs)

    def forward(self, x):
        found = [self.inc(x)]
        for n in range(1, self.depth + 1):
            found.append(getattr(self, f"down{n}")(found[-1]))
        y = found.pop()
        for n in range(1, self.depth + 1):
            y = getattr(self, f"up{n}")(y, found.pop())
        return self.outc(y)


def trained(**more):
    torch.manual_seed(1)
    network = Milesial(**more)
    for _ in range(5):  # BatchNorm takes up statistics
        network(torch.randn(2, more.get("channels", 1), 32, 32))
    return network.eval()
