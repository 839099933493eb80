#pragma once

#include "kaem/generator/likelihood.h"

namespace kaem {

std::shared_ptr<Likelihood> make_gaussian_likelihood(const GeneratorOptions& options);
std::shared_ptr<Likelihood> make_bernoulli_likelihood(const GeneratorOptions& options);
std::shared_ptr<Likelihood> make_categorical_likelihood(const GeneratorOptions& options);

}  // namespace kaem
