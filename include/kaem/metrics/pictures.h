#pragma once

#include <ATen/core/Tensor.h>

/// Comparisons of pictures [N,C,H,W] with values in [0,1], and spectra of fields. docs/mathematics.md section 7.
namespace kaem::metrics {

/// Mean squared error of each picture: [N], of the pictures' type.
at::Tensor squared_error(const at::Tensor& x, const at::Tensor& y);

/// Peak signal-to-noise ratio of each picture, 10 log10(1/MSE) dB: [N]; infinite where they are equal.
at::Tensor peak_signal_to_noise(const at::Tensor& x, const at::Tensor& y);

/// Structural similarity of each picture (Wang et al. 2004): Gaussian windows of 11 pixels with a standard deviation of
/// 1.5, K1 = 0.01, K2 = 0.03, covariances of the window's weights, mean over the places where the window fits and over
/// channels: [N]. ValueError for pictures of fewer than 11 pixels a side.
at::Tensor structural_similarity(const at::Tensor& x, const at::Tensor& y);

/// Power at wavenumbers 0, 1, ..., ⌊min(H,W)/2⌋, averaged over the ring of frequencies that round to each and over
/// channels; of |FFT|²/(HW), of each field without its mean: float64 [N,K].
at::Tensor radial_spectrum(const at::Tensor& fields);

}  // namespace kaem::metrics
