#pragma once

#include "mcmc/internal.h"

namespace kaem::mcmc {

/// Position and momentum.
struct Phase {
  State state;
  at::Tensor momentum;  ///< [T,B,N,latent...]
};

/// One leapfrog step of size ε (a number, or one per chain [T,B,N]) of H = -log π_t(z) + ½‖p‖² in coordinates scaled by
/// the preconditioner s: p += ½ε s ∇, z += ε s p, p += ½ε s ∇'. A coordinate that meets a bound is reflected and its
/// momentum changes sign, so that the map keeps volume and is its own inverse once the momentum is flipped.
Phase leapfrog(const Target& target, const at::Tensor& preconditioner, const Phase& from, const at::Tensor& epsilon);

/// H(from) - H(to) [T,B,N] in double, -inf where it is not a number.
at::Tensor log_ratio(const Target& target, const Phase& to, const Phase& from);

}  // namespace kaem::mcmc
