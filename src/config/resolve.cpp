#include <algorithm>
#include <array>
#include <cmath>

#include "config/draft.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/bytes.h"
#include "kaem/core/duration.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/options.h"
#include "kaem/objective/criteria.h"
#include "kaem/posterior/samplers.h"

namespace kaem::config {
namespace {

constexpr int64_t kMaxBSplineDegree = 10;  // beyond it the Cox-de Boor recursion loses too many digits in float32
constexpr int64_t kUsualTemperatures = 5;
constexpr double kUsualFrequency = 5;  // of the Morlet wavelet

/// Replaces the value of field `id` because of the mode, and says so where it was given.
template <class T>
void replace(Draft& draft, const std::string& id, T& field, const T& value) {
  if (field == value) return;
  field = value;
  if (draft.has(id))
    draft.note(str(draft.given(id), " is replaced by ", print(&field), ": mode ", draft.config.run.mode));
}

/// The mode says which samples there are, and with them which criteria can be.
void settle_criterion(Draft& draft) {
  Config& c = draft.config;
  const CriterionRow& of_mode = criterion_of_mode(c.run.mode);
  const CriterionRow& row = c.run.criterion == "auto" ? of_mode : find_criterion(c.run.criterion);
  const bool encoder = of_mode.needs == Needs::kEncoded;
  if (row.needs != of_mode.needs && (encoder || row.needs != Needs::kWeighted))
    draft.fail("TRAINING.criterion", str("needs other samples than mode ", c.run.mode, " makes"));
  c.objective.criterion = row.name;
}

/// A baseline's section says what the shared options are; the sections that it does not read stay unseen.
void settle_baseline(Draft& draft, const BaselineRow& row) {
  Config& c = draft.config;
  if (c.run.criterion != "auto")
    draft.fail("TRAINING.criterion", str("mode ", row.mode, " has its own; expected auto"));
  c.posterior.tempering = {}, c.objective = {};  // of sections that may stand in the same file
  BaselineSettings settings{c.model, c.posterior, c.objective};
  row.settle(c.baseline, settings);
  if (settings.learning_rate > 0 && settings.learning_rate != c.optimizer.learning_rate) {
    if (draft.is_news("OPTIMIZER.learning_rate"))
      draft.note(str(draft.given("OPTIMIZER.learning_rate"), " is replaced by ", print(&settings.learning_rate), ": [",
                     row.section, "] has a rate of its own"));
    c.optimizer.learning_rate = settings.learning_rate;
  }
  if (settings.second_rate > 0) c.optimizer.prior_learning_rate = settings.second_rate;
  c.grid.prior = false;
  c.run.use_variational = false;
}

void settle_mode(Draft& draft, const std::string& mode) {
  Config& c = draft.config;
  if (!mode.empty()) draft.set("TRAINING", "mode", mode, "--mode " + mode, false);
  draft.refuse_baselines();
  if (const BaselineRow* row = find_baseline(c.run.mode)) return settle_baseline(draft, *row);
  int64_t& temperatures = c.posterior.tempering.levels;
  temperatures = std::max<int64_t>(0, temperatures);  // -1 is the reference's word for none
  std::string& sampler = c.posterior.sampler;
  if (!draft.has("TRAINING.mode"))
    c.run.mode = c.run.use_variational ? "variational" : temperatures > 1 ? "thermo" : "vanilla";
  if (draft.wants_automala && sampler == "ula") sampler = "automala";
  const bool thermo = c.run.mode == "thermo", variational = c.run.mode == "variational";
  replace(draft, "VARIATIONAL.use_variational", c.run.use_variational, variational);
  if (!thermo || temperatures <= 1)
    replace(draft, "THERMODYNAMIC_INTEGRATION.num_temps", temperatures, thermo ? kUsualTemperatures : 0);
  const SamplerKind kind = sampler_kind(sampler);
  if (thermo && (kind == SamplerKind::kImportance || kind == SamplerKind::kProposal))
    replace(draft, "POST_LANGEVIN.sampler", sampler, std::string("ula"));
  if (variational) replace(draft, "POST_LANGEVIN.sampler", sampler, std::string("encoder"));
  if (!variational && kind == SamplerKind::kEncoder)
    draft.fail("POST_LANGEVIN.sampler", "belongs to mode variational; expected another");
  settle_criterion(draft);
}

void settle_dataset(Draft& draft, const std::string& dataset) {
  Config& c = draft.config;
  if (!dataset.empty()) draft.set("TRAINING", "dataset", dataset, "--dataset " + dataset, false);
  refuse_as(draft, "TRAINING.dataset", [&] { c.run.dataset = known_dataset(c.run.dataset, ""); });
  c.data.name = c.run.dataset;
  if (find_baseline(c.run.mode) != nullptr && dataset_traits(c.run.dataset).kind == DataKind::kText)
    draft.fail("TRAINING.mode", "baselines are trained on images");
}

/// Defaults that are other keys' values, and values with more than one spelling.
void settle_dependents(Draft& draft) {
  Config& c = draft.config;
  if (!draft.has("TRAINING.importance_sample_size")) c.posterior.samples = c.run.batch_size;
  c.model.generator.basis.ridge = c.model.prior.basis.ridge;
  const auto settle_basis = [&](const std::string& section, BasisOptions& basis) {
    if (basis.kind == "Wavelet") basis.kind = basis.wavelet;
    if (basis.kind == "Morlet" && !draft.has(section + ".init_τ")) basis.tau = kUsualFrequency;
  };
  settle_basis("EbmModel", c.model.prior.basis), settle_basis("GeneratorModel", c.model.generator.basis);
  for (int64_t* epochs : {&c.run.checkpoint_epochs, &c.run.sample_epochs, &c.run.eval_epochs})
    if (*epochs == 0) *epochs = -1;
}

/// Keys that have no effect with this kind of prior or basis.
void note_ignored_prior_keys(Draft& draft) {
  const PriorOptions& prior = draft.config.model.prior;
  const MixtureOptions& mixture = prior.mixture;
  const auto news = [&](std::initializer_list<const char*> ids) {
    return std::any_of(ids.begin(), ids.end(), [&](const char* id) { return draft.is_news(id); });
  };
  if (prior.layernorm && !prior.is_deep() && news({"EbmModel.layernorm", "EbmModel.layer_widths"}))
    draft.note("[EbmModel] layernorm = true is ignored: it would couple the coordinates of this prior");
  const GeneratorOptions& generator = draft.config.model.generator;
  if (generator.layernorm && (generator.cnn.use || generator.seq.use()) && news({"GeneratorModel.layernorm"}))
    draft.note("[GeneratorModel] layernorm = true is ignored: this generator has no KAN layers");
  const bool set =
      mixture.enabled || mixture.train_proportions || mixture.use_attention_kernel || mixture.lambda_reg > 0;
  const bool told = !news({"MixtureModel.use_mixture_prior", "MixtureModel.train_proportions",
                           "MixtureModel.use_attention_kernel", "MixtureModel.λ_reg", "EbmModel.layer_widths"});
  if (prior.is_deep() && set && !told)
    draft.note("[MixtureModel] is ignored: more than two layer_widths make a deep prior");
  const bool trained = mixture.train_proportions || mixture.use_attention_kernel;
  if (!prior.is_deep() && mixture.enabled && mixture.lambda_reg > 0 && !trained && !told)
    draft.note("[MixtureModel] λ_reg only shifts the loss: the proportions are not trained");
  const auto note_grid = [&](const std::string& section, const BasisOptions& basis) {
    const bool new_here = draft.is_news(section + ".grid_trainable") || draft.is_news(section + ".spline_function");
    if (basis.grid_trainable && (basis.kind == "FFT" || basis.kind == "Cheby") && new_here)
      draft.note(str("[", section, "] grid_trainable = true is ignored: ", basis.kind, " has no inner knots"));
  };
  note_grid("EbmModel", prior.basis);
  note_grid("GeneratorModel", draft.config.model.generator.basis);
}

/// The data decide whether there are sequences: the reference's files for images hold [SEQ] too.
void settle_sequences(Draft& draft) {
  GeneratorOptions& generator = draft.config.model.generator;
  const std::string& dataset = draft.config.run.dataset;
  const bool text = dataset_traits(dataset).kind == DataKind::kText;
  if (text && !generator.seq.use()) draft.fail("SEQ.sequence_length", "expected 1 or more for data set " + dataset);
  if (!text && generator.seq.use()) {
    draft.note(str("[SEQ] sequence_length = ", generator.seq.sequence_length, " is replaced by -1: ", dataset,
                   " holds no text"));
    generator.seq.sequence_length = -1;
  }
  if (!text) return;
  if (!draft.has("GeneratorModel.likelihood")) generator.likelihood = "categorical";
  DatasetOptions& data = draft.config.data;
  data.sequence_length = generator.seq.sequence_length, data.vocab_size = generator.seq.vocab_size;
  if (!data.resize.empty()) draft.note(str("[DATA] resize is ignored: ", dataset, " holds text")), data.resize.clear();
  if (data.dequantize)
    draft.note(str("[TRAINING] dequantize = true is ignored: ", dataset, " holds text")), data.dequantize = false;
  if (data.random_flip)
    draft.note(str("[DATA] random_flip = true is ignored: ", dataset, " holds text")), data.random_flip = false;
}

/// Coordinates on principal components are numbers of any size that are no picture.
void settle_pca(Draft& draft) {
  Config& c = draft.config;
  if (!c.data.use_pca) return;
  GeneratorOptions& generator = c.model.generator;
  if (generator.seq.use()) {
    draft.note("[PCA] use_pca = true is ignored: " + c.run.dataset + " holds text");
    c.data.use_pca = false;
    return;
  }
  if (generator.cnn.use) draft.fail("PCA.use_pca", "needs a KAN generator ([CNN] use_cnn_lkhood = false)");
  if (generator.likelihood != "gaussian") draft.fail("PCA.use_pca", "needs [GeneratorModel] likelihood = gaussian");
  if (generator.use_perceptual_loss) draft.fail("PCA.use_pca", "not with [TRAINING] use_perceptual_loss = true");
  if (c.data.dequantize) draft.fail("PCA.use_pca", "not with [TRAINING] dequantize = true");
  const auto set = [&](const char* key, auto& field, auto value) {
    if (field == value) return;
    draft.note(str(key, " = ", print(&field), " is replaced by ", print(&value), ": [PCA] use_pca = true"));
    field = value;
  };
  set("[GeneratorModel] output_activation", generator.output_activation, std::string("identity"));
  set("[DATA] random_flip", c.data.random_flip, false);
  if (c.posterior.encoder.type == "cnn" && c.posterior.uses_encoder())
    set("[Encoder] type", c.posterior.encoder.type, std::string("diagonal"));
}

/// What a user should know of values that he gave himself.
void note_surprises(Draft& draft) {
  const PriorOptions& prior = draft.config.model.prior;
  const bool own_domain = prior.reference == "uniform" || prior.reference == "lognormal";
  if (own_domain && draft.has("EbmModel.grid_range") &&
      (draft.is_news("EbmModel.grid_range") || draft.is_news("EbmModel.π_0")))
    draft.note(str("[EbmModel] π_0 = ", prior.reference, ": the domain is ",
                   prior.reference == "uniform" ? "[0,1]" : "[exp(-6),4]", " whatever grid_range says"));
  note_ignored_prior_keys(draft);
  note_reference(draft);
}

/// Weight decay under Adam's kind would pull the prior's energies, whose gradients are small, to nothing: the
/// reference's has none either, though its files give a decay.
void settle_decay(Draft& draft) {
  OptimizerOptions& o = draft.config.optimizer;
  if (o.weight_decay == 0 || (o.type != "adam" && o.type != "nadam" && o.type != "rmsprop")) return;
  draft.note(str("[OPTIMIZER] decay = ", print(&o.weight_decay), " is ignored: ", o.type,
                 " has no weight decay, as in the reference (adamw has)"));
  o.weight_decay = 0;
}

/// What the network that sees errors needs: files of the reference's say true without naming one.
void settle_perceptual(Draft& draft) {
  GeneratorOptions& generator = draft.config.model.generator;
  if (!generator.use_perceptual_loss || !generator.perceptual_features.empty()) return;
  draft.note(
      "[TRAINING] use_perceptual_loss = true is ignored: [GeneratorModel] perceptual_features names no TorchScript "
      "network");
  generator.use_perceptual_loss = false;
}

void check_basis(const Draft& draft, const std::string& section, const BasisOptions& basis) {
  const auto& range = basis.grid_range;
  if (range.size() != 2 || !(range[0] < range[1]))
    draft.fail(section + ".grid_range", "expected two ascending numbers");
  if (range[1] - range[0] < 1e-6 || std::max(std::abs(range[0]), std::abs(range[1])) > 1e6)
    draft.fail(section + ".grid_range", "expected ends within ±1e6 that are at least 1e-6 apart");
  if (basis.kind == "B-spline" && basis.degree > kMaxBSplineDegree)
    draft.fail(section + ".spline_degree",
               str("expected at most ", kMaxBSplineDegree, " with spline_function = B-spline"));
}

/// What weighs draws.
std::string another_than(const Draft& draft) {
  const bool chains = sampler_kind(draft.config.posterior.sampler) == SamplerKind::kChains;
  return str("; choose another [POST_LANGEVIN] ", chains ? "chain_start" : "sampler");
}

void check_generator(const Draft& draft) {
  const GeneratorOptions& generator = draft.config.model.generator;
  if (generator.seq.use() && generator.cnn.use) draft.fail("CNN.use_cnn_lkhood", "not with [SEQ] sequence_length > 0");
  if (generator.seq.use() && generator.seq.autoregressive && draft.config.posterior.weighs_prior_draws())
    draft.fail("SEQ.autoregressive",
               "weighted draws of the prior would need a pass for every data point and draw" + another_than(draft));
  if (generator.seq.use() && generator.seq.autoregressive && draft.config.run.mode == "thermo")
    draft.fail("SEQ.autoregressive",
               "mode thermo would need a pass for every data point and prior draw (expected vanilla with chains, or "
               "variational)");
  if ((generator.likelihood == "categorical") != generator.seq.use())
    draft.fail("GeneratorModel.likelihood",
               generator.seq.use() ? "sequences of words need categorical" : "categorical needs a data set of text");
  if (generator.likelihood == "bernoulli" && generator.output_activation != "sigmoid")
    draft.fail("GeneratorModel.output_activation", "likelihood = bernoulli needs sigmoid");
  if (generator.cnn.use && generator.cnn.projection && generator.cnn.init_spatial < 1)
    draft.fail("CNN.init_spatial", "expected 1 or more with projection = true");
}

/// The widths of a KAN generator: other generators have none.
void check_widths(const Draft& draft) {
  const PriorOptions& prior = draft.config.model.prior;
  const auto& widths = prior.layer_widths;
  const GeneratorOptions& options = draft.config.model.generator;
  if (options.cnn.use || options.seq.use()) return;
  const auto& generator = options.widths;
  if (generator.empty()) draft.fail("GeneratorModel.widths", "expected at least one width");
  if (prior.is_deep() && generator.front() != widths.front())
    draft.fail("GeneratorModel.widths", str("the first width must equal ", widths.front(),
                                            ", the first of [EbmModel] layer_widths (a deep prior)"));
  if (!prior.is_deep() && generator.front() != widths.back())
    draft.fail("GeneratorModel.widths", str("the first width must equal Q = ", widths.back(),
                                            ", the last of [EbmModel] layer_widths = ", widths[0], ",", widths[1]));
}

/// Of a baseline's model what it shares with KAEM's, and what it is trained on.
void check_baseline(const Draft& draft) {
  if (draft.config.data.use_pca) draft.fail("PCA.use_pca", "not with a baseline");
  check_generator(draft);
  check_basis(draft, "GeneratorModel", draft.config.model.generator.basis);
}

void check_model(const Draft& draft) {
  if (find_baseline(draft.config.run.mode) != nullptr) return check_baseline(draft);
  const PriorOptions& prior = draft.config.model.prior;
  if (prior.layer_widths.size() < 2) draft.fail("EbmModel.layer_widths", "expected two widths P,Q");
  if (prior.is_deep() && prior.energies == "symbolic")
    draft.fail("EbmModel.energies", "a deep prior has no energies of single coordinates; expected kan");
  if (prior.is_deep() && draft.config.posterior.weighs_prior_draws())
    draft.fail("EbmModel.layer_widths",
               "more than two widths make a deep prior, whose draws cannot be weighted" + another_than(draft));
  if (prior.is_deep() && same_name(draft.config.posterior.sampler, "pcnl") && prior.reference != "gaussian")
    draft.fail("POST_LANGEVIN.sampler", "needs [EbmModel] π_0 = gaussian where the prior is deep; expected another");
  if (prior.mixture.train_proportions && prior.mixture.use_attention_kernel)
    draft.fail("MixtureModel.use_attention_kernel", "not together with train_proportions = true");
  check_widths(draft);
  check_generator(draft);
  check_basis(draft, "EbmModel", draft.config.model.prior.basis);
  check_basis(draft, "GeneratorModel", draft.config.model.generator.basis);
}

bool is_device(const std::string& name) {
  if (name == "auto" || name == "cpu" || name == "cuda") return true;
  return name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
         std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_run(const Draft& draft) {
  const Config& c = draft.config;
  if (!is_device(c.run.device)) draft.fail("TRAINING.device", "expected auto, cpu, cuda or cuda:N");
  if (c.run.batch_size > c.data.train_size)
    draft.fail("TRAINING.batch_size", str("must not exceed [TRAINING] N_train = ", c.data.train_size));
  if (!c.data.resize.empty() && c.data.resize.size() != 2)
    draft.fail("DATA.resize", "expected HxW, such as 16x16, or nothing");
  if (!c.run.keep_best.empty() && c.run.eval_epochs < 1)
    draft.fail("TRAINING.keep_best", "needs eval_every, the epochs between measures");
  if (c.data.root.empty()) draft.fail("DATA.root", "expected a folder");
  if (!c.run.budget.empty()) refuse_as(draft, "TRAINING.budget", [&] { parse_duration(c.run.budget); });
  if (!c.run.memory_limit.empty()) refuse_as(draft, "TRAINING.memory_limit", [&] { parse_bytes(c.run.memory_limit); });
}

void check_optimizer(const Draft& draft) {
  const OptimizerOptions& o = draft.config.optimizer;
  if (o.betas.size() != 2 || std::max(o.betas[0], o.betas[1]) >= 1)
    draft.fail("OPTIMIZER.betas", "expected two numbers in [0,1)");
  if (o.rho >= 1) draft.fail("OPTIMIZER.ρ", "expected a number in [0,1)");
  if (o.ema_decay >= 1) draft.fail("TRAINING.ema_decay", "expected a number in [0,1)");
  const auto& epochs = draft.config.schedule.milestones;
  if (std::adjacent_find(epochs.begin(), epochs.end(), std::greater_equal<>()) != epochs.end())
    draft.fail("LR_SCHEDULE.milestone_epochs", "expected ascending epochs");
}

}  // namespace

std::string known_dataset(const std::string& name, const std::string& where) {
  std::vector<std::string> names = dataset_names();
  for (const auto& known : names)
    if (same_name(known, name)) return known;
  const std::string hint = did_you_mean(name, names);
  throw ConfigError(where +
                    (hint.empty() ? unknown_name_message("data set", "", names) : str("no such data set", hint)));
}

void resolve(Draft& draft, const std::string& dataset, const std::string& mode) {
  settle_mode(draft, mode);
  settle_dataset(draft, dataset);
  settle_dependents(draft);
  settle_decay(draft);
  settle_perceptual(draft);
  settle_sequences(draft);
  settle_pca(draft);
  check_model(draft);
  check_posterior(draft);
  check_run(draft);
  check_optimizer(draft);
  note_surprises(draft);
  draft.note_unused();
}

}  // namespace kaem::config
