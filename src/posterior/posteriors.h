#pragma once

#include "kaem/posterior/posterior.h"

namespace kaem {

std::unique_ptr<Posterior> make_importance(const PosteriorOptions& options);

}  // namespace kaem
