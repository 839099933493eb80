#pragma once

#include <string>

#include "kaem/config/config.h"

namespace kaem {

struct Dataset;
struct Length;
struct ModelImpl;

/// A run in words, a phrase each: for its first lines and for a plan.

/// "MNIST, 50,000 training and 100 test images of 28x28".
std::string data_text(const Dataset& data);

/// "mixture of 40 energies for each of 81 latents, KAN generator 81-162-784, 2,345,678 parameters".
std::string model_text(const Config& config, const ModelImpl& model);

/// How the posterior is sampled: "300 importance samples", "10 steps of ula at each of 5 temperatures, 1 chain per data
/// point".
std::string posterior_text(const Config& config);

/// "8,000 updates of batch 100, 16 epochs".
std::string length_text(const Config& config, const Length& length);

}  // namespace kaem
