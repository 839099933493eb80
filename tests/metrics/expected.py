#!/usr/bin/env python3
"""The numbers that scores_test.cpp expects, by SciPy and by loops that follow the definitions. usage: expected.py"""
import numpy as np
import scipy.linalg


def uniforms(count, seed):
    """A linear congruential generator modulo 2^32 (Numerical Recipes), as in scores_test.cpp."""
    values, state = [], seed
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(state / 2**32)
    return np.array(values)


def rows(n, f, seed, scale=1.0, shift=0.0):
    u = uniforms(n * f, seed).reshape(n, f)
    return shift + scale * (u + 0.5 * np.roll(u, 1, axis=1))


def frechet(a, b):
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root.real)


def kernel_distance(a, b):
    k = lambda x, y: (x @ y / len(x) + 1) ** 3
    n, m = len(a), len(b)
    aa = [[k(a[i], a[j]) for j in range(n)] for i in range(n)]
    bb = [[k(b[i], b[j]) for j in range(m)] for i in range(m)]
    ab = [[k(a[i], b[j]) for j in range(m)] for i in range(n)]
    value = sum(aa[i][j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    value += sum(bb[i][j] for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    value -= 2 * sum(map(sum, ab)) / (n * m)
    return value


def precision(real, generated, k=3):
    inside = 0
    for g in generated:
        for i, r in enumerate(real):
            others = sorted(np.linalg.norm(r - s) for j, s in enumerate(real) if j != i)
            if np.linalg.norm(g - r) <= others[k - 1]:
                inside += 1
                break
    return inside / len(generated)


def ssim(x, y):
    d = np.arange(11) - 5
    w = np.exp(-d**2 / (2 * 1.5**2))
    w = np.outer(w, w) / w.sum() ** 2
    values = []
    for c in range(x.shape[0]):
        for i in range(x.shape[1] - 10):
            for j in range(x.shape[2] - 10):
                p, q = x[c, i:i + 11, j:j + 11], y[c, i:i + 11, j:j + 11]
                mp, mq = (w * p).sum(), (w * q).sum()
                vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
                pq = (w * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + 1e-4) * (2 * pq + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return np.mean(values)


def spectrum(field):
    h, w = field.shape
    field = field - field.mean()
    power, count = np.zeros(min(h, w) // 2 + 1), np.zeros(min(h, w) // 2 + 1)
    for u in range(h):
        for v in range(w):
            wave = np.exp(-2j * np.pi * (u * np.arange(h)[:, None] / h + v * np.arange(w)[None, :] / w))
            fu, fv = u if u < (h + 1) // 2 else u - h, v if v < (w + 1) // 2 else v - w
            ring = int(np.rint(np.hypot(fu, fv)))
            if ring < len(power):
                power[ring] += abs((field * wave).sum()) ** 2 / (h * w)
                count[ring] += 1
    return power / count


def auroc(p, n):
    return np.mean([[1.0 if a > b else 0.5 if a == b else 0.0 for b in n] for a in p])


def auroc_error(p, n):
    wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in n] for a in p])
    return np.sqrt(wins.mean(1).var(ddof=1) / len(p) + wins.mean(0).var(ddof=1) / len(n))


def average_precision(p, n):
    value, recall = 0.0, 0.0
    for t in sorted(set(p) | set(n), reverse=True):
        hit, miss = (p >= t).sum(), (n >= t).sum()
        value += (hit / len(p) - recall) * hit / (hit + miss)
        recall = hit / len(p)
    return value


a, b = rows(40, 6, 1), rows(50, 6, 2, 1.3, 0.2)
print("frechet", float(frechet(a, b)))
print("kernel", float(kernel_distance(a, b)))
c, d = rows(30, 3, 3), rows(25, 3, 4, 1.2, 0.5)
print("precision, recall", precision(c, d), precision(d, c))
x = uniforms(2 * 14 * 13, 5).reshape(2, 14, 13)
y = 0.7 * x + 0.3 * uniforms(2 * 14 * 13, 6).reshape(2, 14, 13)
print("ssim", float(ssim(x, y)), "psnr", float(-10 * np.log10(((x - y) ** 2).mean())))
print("spectrum", spectrum(uniforms(8 * 10, 7).reshape(8, 10)).tolist())
p, n = np.round(uniforms(17, 8) * 10 + 2), np.round(uniforms(23, 9) * 10)
print("auroc", float(auroc(p, n)), float(auroc_error(p, n)), "ap", float(average_precision(p, n)))
