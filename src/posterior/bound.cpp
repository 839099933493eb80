#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/model/model.h"
#include "kaem/posterior/encoder.h"
#include "kaem/posterior/target.h"
#include "posterior/posteriors.h"

namespace kaem {

using at::Tensor;

Tensor encoder_bound(const ModelView& view, const Tensor& x, EncoderImpl& encoder, double weight, const Rng& rng,
                     int64_t step) {
  if (weight == 0 || !c10::GradMode::is_enabled()) return {};
  std::vector<int64_t> sizes = {x.size(0), 1};
  for (const int64_t n : view.model.latent_shape()) sizes.push_back(n);
  const auto number = at::TensorOptions(x.device()).dtype(at::kFloat);
  const auto [z, log_q] = encoder.sample(x, rng.row_normal(Stream::kBound, step, sizes, 0, number));
  const mcmc::Target target = posterior_target(view, x, at::ones({1}, number), /*with_perceptual=*/true);
  const Tensor chains = z.detach().unsqueeze(0);
  const Tensor slope =
      target.prior(chains, mcmc::Want::kGradient).gradient + target.likelihood(chains, mcmc::Want::kBoth).gradient;
  return weight * ((z * slope.squeeze(0)).flatten(2).sum(2) - log_q).squeeze(1);
}

}  // namespace kaem
