#pragma once

#include "kaem/config/config.h"
#include "kaem/objective/criteria.h"

/// The one list of configuration keys: what a section holds, and each key's spelling, meaning and range. Parsing,
/// checking, printing, `--set`, `--help-config` and docs/configuration.md all walk it.
namespace kaem {

/// [OPTIMIZER]
template <class V>
void visit_optimizer(OptimizerOptions& o, V&& v) {
  v(Key{.name = "type",
        .help = "Optimiser",
        .choices = {"adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "nadam"},
        .reference = "also l-bfgs, which is taken as adam"},
    o.type);
  v(Key{.name = "learning_rate",
        .help = "Learning rate of the generator",
        .aliases = {"gen_learning_rate"},
        .min = 0,
        .min_open = true},
    o.learning_rate);
  v(Key{.name = "ebm_learning_rate",
        .help = "Learning rate of the prior; 0: as learning_rate",
        .aliases = {"learning_rate_ebm", "learning_rate_prior", "prior_learning_rate"},
        .min = 0},
    o.prior_learning_rate);
  v(Key{.name = "betas",
        .help = "Decay rates of the two moments of adam, adamw and nadam: two numbers below 1",
        .min = 0,
        .max = 1},
    o.betas);
  v(Key{.name = "decay",
        .help =
            "Weight decay: of adamw decoupled from the gradient, of sgd, momentum and nesterov L2; ignored by adam, "
            "nadam and rmsprop",
        .min = 0,
        .reference = "of adamw alone"},
    o.weight_decay);
  v(Key{.name = "ρ",
        .help = "Momentum of momentum and nesterov, smoothing of rmsprop",
        .aliases = {"rho"},
        .min = 0,
        .max = 1},
    o.rho);
  v(Key{.name = "ε", .help = "Number added to denominators", .aliases = {"eps"}, .min = 0, .min_open = true}, o.eps);
}

/// [LR_SCHEDULE]
template <class V>
void visit_schedule(ScheduleOptions& o, V&& v) {
  v(Key{.name = "type", .help = "Shape of the schedule", .choices = {"milestones", "cosine", "constant"}}, o.type);
  v(Key{.name = "decay",
        .help = "Factor on the learning rates at each milestone; for cosine the share left at the end",
        .min = 0,
        .max = 1},
    o.decay);
  v(Key{.name = "milestone_epochs",
        .help = "Epochs after which the rates are multiplied by decay, ascending",
        .min = 1},
    o.milestones);
}

/// [GRID_UPDATING]
template <class V>
void visit_grid(GridSchedule& o, V&& v) {
  v(Key{.name = "update_prior_grid", .help = "Update the prior's grids"}, o.prior);
  v(Key{.name = "update_llhood_grid", .help = "Update the generator's grids"}, o.generator);
  v(Key{.name = "num_grid_updating_samples",
        .help = "Prior draws that grids are fitted to; 0: importance_sample_size, at most 10000",
        .min = 0,
        .max = 1e7},
    o.samples);
  v(Key{.name = "grid_update_frequency", .help = "Updates before the first grid update", .min = 1}, o.frequency);
  v(Key{.name = "grid_update_decay",
        .help = "Each interval between grid updates is (2 - decay) times the last",
        .min = 0,
        .max = 1},
    o.decay);
}

/// [TRAINING]: what a run is and how long it takes.
template <class V>
void visit_run(Config& c, V&& v) {
  v(Key{.name = "dataset", .help = "Data set; --dataset goes before it"}, c.run.dataset);
  v(Key{.name = "mode",
        .help = "How samples of the posterior are made, and with them the criterion; --mode goes before it",
        .choices = run_modes(),
        .absent = "use_variational, else num_temps > 1, else vanilla"},
    c.run.mode);
  std::vector<std::string> criteria = criterion_names();
  criteria.insert(criteria.begin(), "auto");
  v(Key{.name = "criterion", .help = "Training criterion; auto: that of the mode", .choices = std::move(criteria)},
    c.run.criterion);
  v(Key{.name = "seed", .help = "The seed that decides everything", .min = 0}, c.run.seed);
  v(Key{.name = "device",
        .help = "auto, cpu, cuda or cuda:N; auto takes a GPU where there is one",
        .reference = "gpu and tpu, which are taken as auto"},
    c.run.device);
  v(Key{.name = "threads",
        .help = "CPU threads; 0: the cores that the process may use (affinity, the quota of its control group, "
                "OMP_NUM_THREADS)",
        .min = 0,
        .max = 4096},
    c.run.threads);
  v(Key{.name = "deterministic", .help = "Refuse kernels whose results depend on the order of execution"},
    c.run.deterministic);
  v(Key{.name = "N_train", .help = "Training data used", .min = 1, .max = 1e9}, c.data.train_size);
  v(Key{.name = "N_test", .help = "Test data used", .min = 0, .max = 1e9}, c.data.test_size);
  v(Key{.name = "batch_size", .help = "Data in an update", .min = 1, .max = 1e6}, c.run.batch_size);
  v(Key{.name = "N_epochs", .help = "Passes over the training data", .min = 1, .max = 1e9}, c.run.epochs);
  v(Key{.name = "N_updates",
        .help = "Updates in all, whatever N_epochs says; milestones, warmup_steps and cycle_length are scaled from "
                "N_epochs to it; 0: off",
        .min = 0},
    c.run.updates);
  v(Key{.name = "budget",
        .help = "Time of training (90s, 10m, 1h30m): the first updates are timed, and N_updates becomes what fits; "
                "empty: off"},
    c.run.budget);
  v(Key{.name = "data_at_once",
        .help =
            "Data of a batch that are worked on together, which bounds the memory of latents and chains; 0: all, or "
            "what memory_limit allows. The numbers of an update do not depend on it, but for rounding",
        .min = 0},
    c.run.data_at_once);
  v(Key{.name = "memory_limit",
        .help =
            "Memory of training (512M, 4G), of the host or, on a GPU, of the device: the first updates are measured, "
            "and data_at_once becomes what fits; empty: none"},
    c.run.memory_limit);
  v(Key{.name = "max_steps",
        .help = "Stop after so many updates; schedules still use N_epochs or N_updates; 0: off",
        .min = 0},
    c.run.max_steps);
  v(Key{.name = "overfit_batch", .help = "Train on the first batch only"}, c.run.overfit_batch);
  v(Key{.name = "dequantize", .help = "Add U(0,1)/256 to byte data"}, c.data.dequantize);
}

/// [TRAINING]: the criterion and its gradient.
template <class V>
void visit_criterion(Config& c, V&& v) {
  v(Key{.name = "importance_sample_size",
        .help = "Weighted draws: of the prior, shared by a batch (sampler importance), or of encoder and prior for "
                "each data "
                "point (proposal, and chains that start from it)",
        .min = 1,
        .max = 1e6,
        .absent = "batch_size"},
    c.posterior.samples);
  v(Key{.name = "resampling_threshold_factor",
        .help = "Resample where the effective sample size is below this share of the draws",
        .min = 0,
        .max = 1},
    c.posterior.resampling_threshold);
  v(Key{.name = "contrastive_divergence_training",
        .help = "Estimate the gradient of the prior's normaliser from prior samples instead of taking the exact one"},
    c.model.prior.contrastive_divergence);
  v(Key{.name = "use_perceptual_loss",
        .help = "Chains and training also compare features of images ([GeneratorModel] perceptual_features)",
        .reference = "features of a VGG network that it downloads; without a file this is off"},
    c.model.generator.use_perceptual_loss);
  v(Key{.name = "eps", .help = "Ridge of the least squares that refit curves to a new grid", .min = 0},
    c.model.prior.basis.ridge);
  v(Key{.name = "update_grid", .help = "Update grids at all ([GRID_UPDATING])"}, c.grid.enabled);
  v(Key{.name = "warmup_steps", .help = "Updates over which the learning rates rise from 0", .min = 0},
    c.schedule.warmup_steps);
  v(Key{.name = "max_grad_norm", .help = "Gradients are scaled down to this joint norm; 0: off", .min = 0},
    c.optimizer.max_grad_norm);
  v(Key{.name = "not_finite",
        .help = "What becomes of an update whose loss or gradient is not a finite number: it ends the run (stop), or "
                "is left out (skip; ten of them one after another end the run)",
        .choices = {"stop", "skip"}},
    c.optimizer.not_finite);
  v(Key{.name = "ema_decay",
        .help = "Decay of the averaged weights that samples are drawn with; 0: off",
        .min = 0,
        .max = 1},
    c.optimizer.ema_decay);
}

/// [TRAINING]: what is written while it runs.
template <class V>
void visit_output(Config& c, V&& v) {
  v(Key{.name = "checkpoint_every", .help = "Epochs between checkpoints; -1: off", .min = -1}, c.run.checkpoint_epochs);
  v(Key{.name = "checkpoint_steps", .help = "Updates between checkpoints; 0: off", .min = 0}, c.run.checkpoint_steps);
  v(Key{.name = "keep_checkpoints", .help = "Newest checkpoints that are kept", .min = 1}, c.run.keep_checkpoints);
  v(Key{.name = "gen_every", .help = "Epochs between pictures of samples; -1: off", .min = -1}, c.run.sample_epochs);
  v(Key{.name = "eval_every", .help = "Epochs between measures of held-out data and of samples; -1: off", .min = -1},
    c.run.eval_epochs);
  v(Key{.name = "eval_metrics",
        .help = "What is measured then: metrics of kaem evaluate, separated by commas; columns eval_… of metrics.csv"},
    c.run.eval_metrics);
  v(Key{.name = "eval_generated", .help = "Samples that are compared with data then", .min = 16, .max = 1e6},
    c.run.eval_generated);
  v(Key{.name = "keep_best",
        .help = "Column of eval_metrics (eval_loglik, ...) whose best checkpoint is kept beside the newest (RUN/best); "
                "empty: none"},
    c.run.keep_best);
  v(Key{.name = "samples_per_picture", .help = "Samples in a picture", .min = 1, .max = 1e5},
    c.run.samples_per_picture);
  v(Key{.name = "log_steps", .help = "Updates between rows of metrics.csv", .min = 1}, c.run.log_steps);
  v(Key{.name = "tensorboard",
        .help = "Write what metrics.csv and the pictures hold for TensorBoard too (RUN/events.tfevents)"},
    c.run.tensorboard);
  v(Key{.name = "verbose", .help = "Print more"}, c.run.verbose);
}

/// [DATA]
template <class V>
void visit_data(DatasetOptions& o, V&& v) {
  v(Key{.name = "root", .help = "Folder of the data sets; --data-dir and KAEM_DATA_DIR go before it"}, o.root);
  v(Key{.name = "resize",
        .help = "Height and width that images are resized to (HxW or H,W); empty: as they are",
        .min = 1,
        .max = 4096},
    o.resize);
  v(Key{.name = "damaged",
        .help = "Photographs that cannot be read: end the run before its first update, or are left out with a note",
        .choices = {"stop", "skip"}},
    o.damaged);
  v(Key{.name = "leave_out",
        .help =
            "Classes (labels) whose records training and test data lack, of the first N_train and N_test; the metric "
            "anomaly of kaem evaluate tells them from the others (pictures alone)",
        .min = 0,
        .max = 1e6},
    o.leave_out);
  v(Key{.name = "random_flip", .help = "Mirror each image of a training batch left to right with probability 1/2"},
    o.random_flip);
  v(Key{.name = "darcy_file", .help = "File of Darcy fields to use instead of the solver; empty: the solver"},
    o.darcy_file);
  v(Key{.name = "darcy_seed",
        .help = "Seed of the Darcy fields, apart from the run's so that all runs see the same data",
        .min = 0},
    o.seed);
}

/// [PCA]
template <class V>
void visit_pca(DatasetOptions& o, V&& v) {
  v(Key{.name = "use_pca",
        .help = "Train on the images' coordinates on principal components; samples are reconstructed"},
    o.use_pca);
  v(Key{.name = "pca_components", .help = "Principal components of the training images that are kept", .min = 1},
    o.pca_components);
}

template <class Self, class V>
void Config::visit(Self& c, V&& v) {
  v.section("EbmModel", "The prior: univariate energies on a latent of Q sums of P coordinates.");
  PriorOptions::visit(c.model.prior, v);
  v.section("MixtureModel", "The mixture prior: one latent per q, a mixture of P components.");
  MixtureOptions::visit(c.model.prior.mixture, v);
  v.section("GeneratorModel", "The generator, its likelihood, and how particles are resampled.");
  GeneratorOptions::visit(c.model.generator, v);
  v(Key{.name = "resampler",
        .help = "Resampler of importance particles; none uses the weights themselves",
        .choices = {"residual", "systematic", "stratified", "none"}},
    c.posterior.resampler);
  v.section("CNN", "The generator made of transposed convolutions.");
  CnnOptions::visit(c.model.generator.cnn, v);
  v.section("SEQ", "The generator of sequences, for data sets of text.");
  SeqOptions::visit(c.model.generator.seq, v);
  v.section("MIXED_PRECISION", "What the generator computes in.");
  PrecisionOptions::visit(c.model.generator.precision, v);
  v.section("GRID_UPDATING", "When grids follow the data.");
  visit_grid(c.grid, v);
  v.section("PRIOR_LANGEVIN", "How a deep prior (more than two layer_widths) is sampled.");
  DeepOptions::visit(c.model.prior.deep, v);
  v.section("POST_LANGEVIN", "How the posterior is sampled.");
  PosteriorOptions::visit(c.posterior, v);
  v.section("THERMODYNAMIC_INTEGRATION", "Chains at several temperatures, and the criterion that uses them.");
  TemperingOptions::visit(c.posterior.tempering, v);
  ObjectiveOptions::visit_thermodynamic(c.objective, v);
  v.section("VARIATIONAL", "Training with an encoder.");
  v(Key{.name = "use_variational", .help = "Mode variational, where no mode is given"}, c.run.use_variational);
  BetaOptions::visit(c.objective.beta, v);
  v.section("Encoder", "The encoder of variational training and of chains that start from it.");
  EncoderOptions::visit(c.posterior.encoder, v);
  v.section("SYMBOLIC_REG", "Penalty on the size of KAN layers.");
  RegulariserOptions::visit(c.objective.regulariser, v);
  v.section("TRAINING", "The run: data, length, criterion, output.");
  visit_run(c, v);
  visit_criterion(c, v);
  visit_output(c, v);
  v.section("OPTIMIZER", "How gradients become updates.");
  visit_optimizer(c.optimizer, v);
  v.section("LR_SCHEDULE", "How the learning rates change during a run.");
  visit_schedule(c.schedule, v);
  v.section("DATA", "Where data come from.");
  visit_data(c.data, v);
  v.section("PCA", "Data projected on their principal components, for KAN generators.");
  visit_pca(c.data, v);
  v.section("VAE", "Mode baseline-vae: a variational autoencoder with a Gaussian prior.");
  VaeOptions::visit(c.baseline.vae, v);
  v.section("PANG", "Mode baseline-pang: the latent energy-based model of Pang et al. (2020).");
  PangOptions::visit(c.baseline.pang, v);
  v.section("DDPM", "Mode baseline-ddpm: a denoising diffusion model.");
  DdpmOptions::visit(c.baseline.ddpm, v);
  v.section("GAN", "Mode baseline-gan: a generative adversarial network.");
  GanOptions::visit(c.baseline.gan, v);
}

}  // namespace kaem
