#pragma once

#include "kaem/generator/generator.h"

namespace kaem {

std::shared_ptr<Generator> make_kan_generator(const GeneratorOptions& options, int64_t data_size, const Rng& rng);

}  // namespace kaem
