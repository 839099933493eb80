#pragma once

#include "kaem/generator/options.h"
#include "kaem/prior/options.h"

namespace kaem {

/// Options of the prior and of the generator with its likelihood.
struct ModelOptions {
  PriorOptions prior;
  GeneratorOptions generator;
};

}  // namespace kaem
