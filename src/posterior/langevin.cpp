#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <optional>

#include "kaem/core/error.h"
#include "kaem/dist/group.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/mcmc/tempering.h"
#include "kaem/ops/gpu.h"
#include "kaem/posterior/encoder.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"
#include "posterior/chain_store.h"
#include "posterior/posteriors.h"
#include "posterior/proposal_draws.h"

namespace kaem {
namespace {

using at::Tensor;

/// Chains of each datum at one temperature, or at several with exchanges. docs/mathematics.md sections 4 and 5.
struct LangevinSampling : Posterior {
  LangevinSampling(const PosteriorOptions& posterior_options, ModelImpl& model, PosteriorContext posterior_context,
                   const Rng& rng)
      : options(posterior_options),
        traits(mcmc::find_kernel(options.sampler)),
        context(std::move(posterior_context)),
        tempered(options.tempering.levels > 1) {
    const int64_t levels = tempered ? options.tempering.levels : 1;
    if (options.chains_use_encoder()) encoder = Encoder(options.encoder, model, rng);
    if (options.chain_start == "proposal") proposal.emplace(options);
    if (options.chain_start == "persistent")
      store.emplace(context.train_size, levels, options.chains_per_datum, model.prior->latent_shape(),
                    context.storage_folder);
    if (tempered) {
      const auto ladder_start = mcmc::power_ladder(levels, options.tempering.p_start);
      ladder = at::tensor(ladder_start, at::kDouble);
      rejection_sum = at::zeros({levels}, at::kDouble), attempts = at::zeros({levels}, at::kDouble);
      new_exchanges = at::zeros({2, levels}, at::kDouble);
      exchanges = at::zeros({1}, at::kLong);
    }
  }

  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) override {
    Particles particles = tempered ? sample_tempered(view, batch, step, rng) : sample_plain(view, batch, step, rng);
    if (encoder) {  // with its graph: the encoder learns from where the chains of the posterior ended
      particles.encoder_log_q = encoder->log_prob(batch.x, particles.weighted->z).mean(1);
      particles.encoder_bound = encoder_bound(view, batch.x, *encoder, options.encoder.bound_weight, rng, step);
    }
    return particles;
  }

  /// What is replayed tries the same pairs every time, so that an update must have both parities as often.
  ops::Recordable recordable() const override {
    const TemperingOptions& t = options.tempering;
    const bool same_pairs = t.exchange == "none" || (t.exchange == "deo" && t.iters % 2 == 0);
    const bool same = traits.recordable && options.chain_start == "prior" && options.preconditioner != "encoder" &&
                      (!tempered || (t.schedule != "adaptive" && same_pairs));
    return same ? ops::Recordable::kAll : ops::Recordable::kNothing;
  }

  void settle(const dist::Group* group) override {
    if (store && !new_index.empty()) {
      if (group != nullptr) store->share(at::cat(new_index), *group);
      new_index.clear();
    }
    if (!tempered || options.tempering.schedule != "adaptive") return;
    if (group != nullptr) group->sum(new_exchanges);
    adapt();
  }

  void prepare(int64_t step) override {
    if (!tempered) return;
    if (!prepared.defined()) prepared = at::empty({options.tempering.levels + 1}, context.options);
    prepared.copy_(temperatures(step));
  }

  std::shared_ptr<torch::nn::Module> module() override { return encoder ? encoder.ptr() : nullptr; }

  std::vector<std::pair<std::string, Tensor>> named_state() override {
    std::vector<std::pair<std::string, Tensor>> state;
    if (store) state = store->named_state();
    if (tempered)
      state.insert(
          state.end(),
          {{"ladder", ladder}, {"rejection_sum", rejection_sum}, {"attempts", attempts}, {"exchanges", exchanges}});
    return state;
  }

 private:
  /// Scales of the coordinates of chains [T,B,N,latent...] at temperatures t [T], to be broadcast; undefined: 1. They
  /// depend on the datum and the model and not on the chains, so that a kernel stays exact.
  Tensor scales(const PriorView& prior, const Tensor& x, const Tensor& temperature, int64_t step, const Rng& rng) {
    if (options.preconditioner == "prior" || (options.preconditioner == "auto" && traits.adapts))
      return prior_scales(prior, rng, step);
    if (options.preconditioner != "encoder") return {};
    const Tensor of_prior = prior_deviations(prior, rng, step);
    // No posterior is much wider than the prior, whatever an encoder says that has learnt nothing yet.
    const Tensor of_posterior = at::minimum(encoder->scales(x).to(of_prior.options()), of_prior);
    const Tensor rows = of_posterior.unsqueeze(0).unsqueeze(2);
    std::vector<int64_t> sizes(rows.dim(), 1);
    sizes[0] = temperature.size(0);
    const Tensor t = temperature.to(rows.options()).reshape(sizes);
    // log p + t ℓ: the precision goes from the prior's to the posterior's as t does.
    return ((1 - t) / of_prior.square() + t / rows.square()).rsqrt();
  }

  mcmc::KernelOptions kernel_options(const Tensor& preconditioner) const {
    mcmc::KernelOptions kernel;
    kernel.name = options.sampler;
    kernel.step_size = options.step_size, kernel.delta = options.pcnl_delta;
    kernel.step_size_min = options.step_size_bounds.at(0), kernel.step_size_max = options.step_size_bounds.at(1);
    kernel.change_rate = options.change_rate;
    kernel.preconditioner = preconditioner;
    return kernel;
  }

  /// Chains [T,B,N,latent...] at temperatures t [T].
  Tensor start(const ModelView& view, const Batch& batch, const Tensor& temperature, int64_t step, const Rng& rng) {
    const int64_t levels = temperature.size(0), chains = options.chains_per_datum;
    if (proposal) {  // one set of draws serves all temperatures, each with weights of its own
      const ProposedDraws draws = proposal->draw(view, *encoder, batch.x, step, rng);
      const Tensor u =
          rng.row_uniform(Stream::kResample, step, {levels, batch.x.size(0), chains}, 1, draws.z.options());
      const Tensor t = temperature.to(at::kCPU, at::kDouble);
      std::vector<Tensor> starts;
      for (int64_t k = 0; k < levels; ++k)
        starts.push_back(choose(draws.z, draws.log_weight(t[k].item<double>()).softmax(1), u[k]));
      return at::stack(starts);
    }
    const std::array<int64_t, 3> sizes_of_chains = {levels, batch.x.size(0), chains};
    if (const TiltedBase* base = view.prior->tilted(); base != nullptr && options.chain_start == "base")
      return base_chains(*base, sizes_of_chains, rng, step);
    const Tensor fresh = prior_chains(*view.prior, sizes_of_chains, rng, Stream::kPrior, step);
    if (store && batch.index.defined()) {
      const auto [lower, upper] = view.model.prior->domain();
      const Tensor kept = store->load(batch.index, fresh, lower, upper);
      if (options.replay_share == 1) return kept;
      std::vector<int64_t> sizes(fresh.dim(), 1);
      std::copy(sizes_of_chains.begin(), sizes_of_chains.end(), sizes.begin());
      return at::where(rng.row_uniform(Stream::kResample, step, sizes, 1, fresh.options()) < options.replay_share, kept,
                       fresh);
    }
    if (options.chain_start != "encoder") return fresh;
    std::vector<int64_t> sizes = fresh.sizes().slice(1).vec();
    sizes[1] = levels * chains;
    const Tensor z = encoder->sample(batch.x, rng.row_normal(Stream::kEncoder, step, sizes, 0, fresh.options())).first;
    return z.unflatten(1, {levels, chains}).transpose(0, 1);
  }

  static Tensor base_chains(const TiltedBase& base, at::IntArrayRef chains, const Rng& rng, int64_t step) {
    std::vector<Tensor> levels;
    const int64_t rows = chains[1] * chains[2], all = rng.all_of(rows), first = rng.first_of(rows);
    for (int64_t t = 0; t < chains[0]; ++t)
      levels.push_back(base.sample_base(rows, rng, Stream::kPrior, step, t * all + first));
    return mcmc::unflatten_chains(at::cat(levels), chains);
  }

  void keep(const Batch& batch, const Tensor& z) {
    if (!store || !batch.index.defined()) return;
    store->store(batch.index, z);
    new_index.push_back(batch.index);
  }

  /// Chains [B,N,latent...] that end at t = 1: samples of the same weight.
  static Weighted equally_weighted(const Tensor& z) {
    return {z, at::full(z.sizes().slice(0, 2), -std::log(static_cast<double>(z.size(1))), z.options())};
  }

  Particles sample_plain(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) {
    const c10::AutoGradMode no_grad(false);
    const Tensor temperature = at::ones({1}, batch.x.options().dtype(context.options.dtype()));
    const mcmc::Target target = posterior_target(view, batch.x, temperature, /*with_perceptual=*/true);
    const mcmc::KernelOptions kernel_setting = kernel_options(scales(*view.prior, batch.x, temperature, step, rng));
    const mcmc::Kernel kernel = mcmc::make_kernel(target, kernel_setting);
    mcmc::Draws draws = mcmc::make_draws(rng, Stream::kPosterior, step);
    mcmc::State state = kernel.init(start(view, batch, temperature, step, rng));
    int64_t done = 0;
    if (options.unadjusted > 0 && traits.exact && !state.white.defined()) {
      const mcmc::Kernel free = mcmc::ula(target, kernel_setting);
      state = free.init(state.z);
      const int64_t unadjusted = std::min(options.unadjusted, options.iters);
      for (; done < unadjusted; ++done) state = free.move(state, draws, done + 1 == unadjusted).first;
      state = kernel.init(state.z);
    }
    Tensor acceptance = traits.exact ? at::zeros({1}, state.z.options()) : at::ones({1}, state.z.options());
    const auto adjusted = static_cast<double>(std::max<int64_t>(1, options.iters - done));
    const bool recorded = traits.recordable && state.z.scalar_type() == at::kFloat && !view.model.perceptual &&
                          ops::records(state.z.device()) && !rng.rows().is_part();
    const auto step_all = [&](bool last) {
      auto [next, info] = kernel.move(state, draws, last);
      if (recorded)
        mcmc::copy_into(state, next);  // what is replayed reads where it wrote
      else
        state = std::move(next);
      if (traits.exact) acceptance += info.acceptance.mean({1, 2}) / adjusted;
    };
    if (recorded)
      ops::record_and_repeat(state.z.device(), options.iters - done, [&] { step_all(/*last=*/false); });
    else
      for (; done < options.iters; ++done) step_all(done + 1 == options.iters);
    keep(batch, state.z);
    Particles particles;
    particles.weighted = equally_weighted(state.z[0]);
    particles.info.acceptance = acceptance;
    return particles;
  }

  /// t_0 = 0 to t_N = 1 of this update, [N_t+1].
  Tensor temperatures(int64_t step) const {
    if (options.tempering.schedule == "adaptive") return ladder.clone();
    const auto& t = options.tempering;
    const double share = static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, context.total_steps));
    return at::tensor(mcmc::power_ladder(t.levels, mcmc::power_at(t.p_start, t.p_end, t.cycles, share)), at::kDouble);
  }

  /// Level 0 before every exchange: exact draws, or for a prior that has none a chain at t = 0 that goes on from `now`,
  /// whose first call makes its start.
  std::function<mcmc::State(mcmc::Draws&)> level_zero(const ModelView& view, const mcmc::Target& target,
                                                      const mcmc::State& now, int64_t data, int64_t step,
                                                      int64_t before, const Rng& rng) {
    const mcmc::Kernel kernel = mcmc::make_kernel(target, kernel_options({}));  // for its `init` alone
    const std::array<int64_t, 3> chains = {1, data, options.chains_per_datum};
    const int64_t rows = rng.all_rows(data) * options.chains_per_datum;
    mcmc::KernelOptions prior_options;
    prior_options.step_size = view.model.options.prior.deep.step_size;
    mcmc::Target prior_alone = target;
    prior_alone.likelihood = nullptr;
    const mcmc::Kernel prior_chain = mcmc::ula(prior_alone, prior_options);
    const bool alternates = mcmc::parse_scheme(options.tempering.exchange) == mcmc::Scheme::kDeo;
    const bool exact = view.model.prior->normalised();
    return [=, prior = view.prior, &now, &rng, round = exact ? int64_t{1} : int64_t{0}](mcmc::Draws& draws) mutable {
      // Every other exchange leaves level 0 alone, and fresh draws would go unseen.
      if (exact && alternates && (before + round) % 2 == 0) return ++round, mcmc::slice(now, 0, 1);
      if (exact || round == 0)
        return kernel.init(prior_chains(*prior, chains, rng, Stream::kLevelZero, step, rows * round++));
      return kernel.init(prior_chain.step(prior_chain.init(mcmc::slice(now, 0, 1).z), draws).first.z);
    };
  }

  Particles sample_tempered(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) {
    const c10::AutoGradMode no_grad(false);
    ModelImpl& model = view.model;
    const int64_t levels = options.tempering.levels, data = batch.x.size(0);
    const auto number = batch.x.options().dtype(context.options.dtype());
    const Tensor all = ops::is_recording() ? prepared : temperatures(step).to(number), upper = all.slice(0, 1);
    const mcmc::Target target = posterior_target(view, batch.x, upper, /*with_perceptual=*/true);
    mcmc::Target zero = target;
    zero.temperature = all.slice(0, 0, 1);
    const mcmc::Kernel kernel =
        mcmc::make_kernel(target, kernel_options(scales(*view.prior, batch.x, upper, step, rng)));
    mcmc::State state;
    // A function of the step, so that a resume goes on with the pair whose turn it is.
    const int64_t before = step * options.tempering.iters;
    const auto refresh = level_zero(view, zero, state, data, step, before, rng);
    mcmc::Draws draws = mcmc::make_draws(rng, Stream::kPosterior, step);
    state = kernel.init(start(view, batch, upper, step, rng));
    // Exact draws replace level 0 before it is seen: whatever has its shape may stand there.
    state = mcmc::join(model.prior->normalised() ? mcmc::slice(state, 0, 1) : refresh(draws), state);
    mcmc::ExchangeLog log(levels + 1, data, options.chains_per_datum, number, before);
    const auto scheme = mcmc::parse_scheme(options.tempering.exchange);
    Tensor acceptance = traits.exact ? at::zeros({levels}, number) : at::ones({levels}, number);
    for (int64_t i = 0; i < options.tempering.iters; ++i) {
      mcmc::Info info;
      state =
          mcmc::tempered_step(state, kernel, refresh, all, scheme, draws, log, &info, i + 1 == options.tempering.iters);
      if (traits.exact) acceptance += info.acceptance.mean({1, 2}) / static_cast<double>(options.tempering.iters);
    }
    const mcmc::State chains = mcmc::slice(state, 1, levels + 1);
    keep(batch, chains.z);
    Particles particles;
    particles.weighted = equally_weighted(chains.z[levels - 1]);
    particles.info = {.ess = {},
                      .log_evidence = {},
                      .acceptance = acceptance,
                      .swap_rate = log.swap_rate(),
                      .barrier = log.barrier().to(number),
                      .round_trips = log.round_trips.to(number).mean()};
    const Tensor prior_z =  // behind the numbers of the chains' starts
        view.prior->sample(options.samples, rng, Stream::kPrior, step,
                           std::max(options.samples, levels * rng.all_rows(data) * options.chains_per_datum));
    Tensor prior_log_likelihood = model.log_likelihood(batch.x, prior_z);
    if (model.perceptual)
      prior_log_likelihood += model.perceptual->all_pairs(*model.likelihood, batch.x, model.generate_raw(prior_z));
    particles.tempered = {chains.z, chains.likelihood.log_density, upper, prior_z, prior_log_likelihood};
    if (options.tempering.schedule == "adaptive") {
      new_exchanges += rng.rows().share() * at::stack({log.rejection_sum, log.attempts}).to(at::kCPU, at::kDouble);
    }
    return particles;
  }

  /// Gathers rejections over updates; at the end of a round the ladder moves.
  void adapt() {
    rejection_sum += new_exchanges[0], attempts += new_exchanges[1];
    new_exchanges.zero_();
    bool ends = false;
    for (int64_t i = 0; i < options.tempering.iters; ++i) ends |= mcmc::ends_round(exchanges.add_(1).item<int64_t>());
    if (!ends || attempts.min().item<double>() == 0) return;
    const Tensor mean = rejection_sum / attempts.clamp_min(1);
    const auto values = [](const Tensor& t) {
      return std::vector<double>(t.const_data_ptr<double>(), t.const_data_ptr<double>() + t.numel());
    };
    ladder.copy_(at::tensor(mcmc::adapted_ladder(values(ladder), values(mean)), at::kDouble));
    rejection_sum.zero_(), attempts.zero_();
  }

  PosteriorOptions options;
  const mcmc::KernelRow& traits;
  PosteriorContext context;
  bool tempered;
  Encoder encoder{nullptr};
  std::optional<DefensiveProposal> proposal;
  std::optional<ChainStore> store;
  Tensor prepared;                 ///< t_0..t_N of an update whose sampling is recorded, on the device
  Tensor ladder;                   ///< adaptive schedule: t_0..t_N [K], float64
  Tensor rejection_sum, attempts;  ///< [K-1] since the round began
  Tensor exchanges;                ///< int64 [1]
  Tensor new_exchanges;            ///< [2,K-1]: both of this update, means over its data
  std::vector<Tensor> new_index;   ///< of the data whose chains this update has moved here
};

}  // namespace

std::unique_ptr<Posterior> make_langevin(const PosteriorOptions& options, ModelImpl& model,
                                         const PosteriorContext& context, const Rng& rng) {
  return std::make_unique<LangevinSampling>(options, model, context, rng);
}

}  // namespace kaem
