// Chains on a GPU: they wait for nothing from the host, and recorded as a CUDA graph they go where they went. Without a
// GPU these tests are skipped, and say so. That recording changes nothing where there is none is tested everywhere.
#include <torch/types.h>

#include "kaem/mcmc/kernel.h"
#include "kaem/model/model.h"
#include "kaem/ops/gpu.h"
#include "kaem/posterior/posterior.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"
#include "support/files.h"
#include "support/gpu.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

constexpr int64_t kData = 3;

Model small_model(bool images) {
  ModelOptions options;
  options.prior.layer_widths = {4, 6};
  options.prior.mixture.enabled = images;
  if (images)
    options.generator.cnn = {
        .use = true, .dims = {8, 8}, .strides = {2, 2, 2}, .kernels = {4, 4, 4}, .paddings = {1, 1, 1}};
  options.generator.widths = {6, 8};
  return Model(options, DataShape{1, 8, 8}, Rng(2));
}

at::Tensor data() { return Rng(3).uniform(Stream::kTest, 0, {kData, 64}); }

at::Tensor chains_of(Model& model, const at::Tensor& x, int64_t iters) {
  PosteriorOptions options;
  options.sampler = "ula", options.step_size = 1e-3, options.iters = iters, options.chains_per_datum = 2;
  const PosteriorContext context{
      .shape = model->shape, .train_size = 0, .total_steps = 10, .storage_folder = "", .options = x.options()};
  const auto posterior = make_posterior(options, *model, context, Rng(4));
  return posterior->sample(model->view(), {x, {}}, 0, Rng(4)).weighted->z.cpu();
}

TEST(Recording, IsOffWithoutAGpu) {
  EXPECT_FALSE(ops::records(at::kCPU));
  int64_t calls = 0;
  ops::record_and_repeat(at::kCPU, 7, [&] { ++calls; });
  EXPECT_EQ(calls, 7);
  EXPECT_THROW(ops::record(at::kCPU, [&] { ++calls; }), c10::Error);
  EXPECT_EQ(calls, 7) << "work is not done while it is recorded";
  const ops::NoSynchronisation guard;  // forbids nothing on a processor
  EXPECT_EQ(at::ones({3}).sum().item<float>(), 3);
}

TEST(Recording, CopiesStatesInPlace) {
  const auto like = [](double value) {
    const at::Tensor spread = at::full({2, 3, 1, 4, 1}, value).expand({2, 3, 1, 4, 5});
    return mcmc::State{at::full({2, 3, 1, 4, 5}, value),
                       {},
                       {{}, at::full({2, 3, 1, 4, 5}, value)},
                       {at::full({2, 3, 1}, value), spread}};
  };
  const mcmc::State to = like(1), from = like(2);
  const void* memory = to.z.const_data_ptr();
  mcmc::copy_into(to, from);
  EXPECT_EQ(to.z.const_data_ptr(), memory);
  for (const at::Tensor& t : {to.z, to.prior.gradient, to.likelihood.log_density, to.likelihood.gradient})
    EXPECT_TRUE((t == 2).all().item<bool>());
}

class Chains_CUDA : public OnGpu<::testing::TestWithParam<bool>> {
 protected:
  void SetUp() override {
    OnGpu::SetUp();
    at::globalContext().setDeterministicCuDNN(true);  // the same convolution twice gives the same bits
  }
};

TEST_P(Chains_CUDA, WaitForNothingFromTheHost) {
  Model model = small_model(GetParam());
  model->to(at::kCUDA);
  const at::Tensor x = data().to(at::kCUDA);
  const torch::NoGradGuard no_grad;
  const mcmc::Target target = posterior_target(model->view(), x, at::ones({1}, x.options()), true);
  const mcmc::Kernel kernel = mcmc::make_kernel(target, {.name = "ula", .step_size = 1e-3});
  mcmc::Draws draws = mcmc::make_draws(Rng(4), Stream::kPosterior, 0);
  mcmc::State state = kernel.init(prior_chains(*model->prior->view(), {1, kData, 2}, Rng(4), Stream::kPrior, 0));
  state = kernel.step(state, draws).first;  // libraries set themselves up
  {
    const ops::NoSynchronisation guard;
    for (int64_t i = 0; i < 3; ++i) EXPECT_NO_THROW(state = kernel.step(state, draws).first);
    EXPECT_ANY_THROW(state.z.sum().item<float>()) << "the guard does not guard";
  }
  EXPECT_TRUE(state.z.isfinite().all().item<bool>());
}

TEST_P(Chains_CUDA, GoWhereThoseOfTheProcessorGo) {
  Model model = small_model(GetParam());
  const at::Tensor x = data(), want = chains_of(model, x, 6);
  model->to(at::kCUDA);
  EXPECT_LT((chains_of(model, x.to(at::kCUDA), 6) - want).abs().max().item<double>(), 1e-3);
}

TEST_P(Chains_CUDA, RecordedGoWhereTheyWent) {
  Model model = small_model(GetParam());
  model->to(at::kCUDA);
  const at::Tensor x = data().to(at::kCUDA);
  const auto chains = [&](const char* recorded) {
    const Environment graphs("KAEM_CUDA_GRAPHS", recorded);
    EXPECT_EQ(ops::records(at::kCUDA), std::string_view(recorded) == "1");
    return chains_of(model, x, 20);
  };
  const at::Tensor want = chains("0"), got = chains("1"), again = chains("1");
  EXPECT_TRUE(at::equal(got, want));
  EXPECT_TRUE(at::equal(again, want));
}

INSTANTIATE_TEST_SUITE_P(Generators, Chains_CUDA, ::testing::Values(false, true),
                         [](const auto& p) { return p.param ? "Images" : "Kan"; });

}  // namespace
}  // namespace kaem::test
