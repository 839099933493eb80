#include <cmath>

#include "config/support.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

TEST(Resolve, WidthsMustFit) {
  EXPECT_EQ(refused("[EbmModel]\nlayer_widths = 40,81\n[GeneratorModel]\nwidths = 80,162\n"),
            "f.ini:4: [GeneratorModel] widths = 80,162: the first width must equal Q = 81, the last of [EbmModel] "
            "layer_widths = 40,81");
  EXPECT_NE(refused("[EbmModel]\nlayer_widths = 10,21\n")
                .find("configuration: [GeneratorModel] widths = 81,162: the first width must equal Q = 21"),
            std::string::npos);
  EXPECT_NE(refused("[EbmModel]\nlayer_widths = 40\n").find("expected two widths P,Q"), std::string::npos);
  EXPECT_NE(refused("[EbmModel]\nlayer_widths =\n").find("expected two widths P,Q"), std::string::npos);
  EXPECT_NE(refused("[GeneratorModel]\nwidths =\n").find("expected at least one width"), std::string::npos);
  EXPECT_EQ(parse_config("[GeneratorModel]\nwidths = 81\n", "f.ini").model.generator.widths.size(), 1u);
}

TEST(Resolve, ChecksAcrossKeys) {
  EXPECT_EQ(refused("[TRAINING]\nbatch_size = 200\nN_train = 100\n"),
            "f.ini:2: [TRAINING] batch_size = 200: must not exceed [TRAINING] N_train = 100");
  for (const char* range : {"1,-1", "1,1", "1", "0,1,2", "", "0,1e-9", "-1e9,1"})
    EXPECT_NE(
        refused(std::string("[GeneratorModel]\ngrid_range = ") + range + "\n").find("[GeneratorModel] grid_range"),
        std::string::npos)
        << range;
  for (const char* betas : {"0.9", "0.9,1", "1,0.9", "0.9,0.99,0.999", ""})
    EXPECT_NE(refused(std::string("[OPTIMIZER]\nbetas = ") + betas + "\n").find("expected two numbers in [0,1)"),
              std::string::npos)
        << betas;
  EXPECT_NE(refused("[EbmModel]\nspline_function = B-spline\nspline_degree = 11\n").find("spline_function = B-spline"),
            std::string::npos);
  EXPECT_NO_THROW(parse_config("[EbmModel]\nspline_function = Cheby\nspline_degree = 11\n", "f.ini"));
  EXPECT_NE(refused("[LR_SCHEDULE]\nmilestone_epochs = 5,5\n").find("expected ascending epochs"), std::string::npos);
  EXPECT_NE(refused("[TRAINING]\nema_decay = 1\n").find("expected a number in [0,1)"), std::string::npos);
  EXPECT_NE(refused("[GeneratorModel]\ngenerator_variance = 0\n").find("expected a number in 1e-06..1000000"),
            std::string::npos);
  for (const char* device : {"cuda:", "cuda:x", "rocm", "cuda0", ""})
    EXPECT_NE(refused(std::string("[TRAINING]\ndevice = ") + device + "\n").find("expected auto, cpu, cuda or cuda:N"),
              std::string::npos)
        << device;
  EXPECT_EQ(parse_config("[TRAINING]\ndevice = cuda:1\n", "f.ini").run.device, "cuda:1");
  EXPECT_EQ(refused_set("OPTIMIZER.betas=0.9"), "--set OPTIMIZER.betas=0.9: expected two numbers in [0,1)");
}

TEST(Resolve, KindsOfPriors) {
  EXPECT_NE(refused("[MixtureModel]\ntrain_proportions = true\nuse_attention_kernel = true\n")
                .find("f.ini:3: [MixtureModel] use_attention_kernel = true: not together with"),
            std::string::npos);
  EXPECT_NE(refused("[EbmModel]\nlayer_widths = 100,200,1\n")
                .find("deep prior, whose draws cannot be weighted; choose another [POST_LANGEVIN] sampler"),
            std::string::npos);
  EXPECT_TRUE(noted(parse_config("[EbmModel]\nlayernorm = true\n", "f.ini"), "layernorm = true is ignored"));
  EXPECT_TRUE(noted(parse_config("[EbmModel]\nspline_function = FFT\ngrid_trainable = true\n", "f.ini"),
                    "FFT has no inner knots"));
  EXPECT_TRUE(parse_config("[GeneratorModel]\ngrid_trainable = true\n", "f.ini").model.generator.basis.grid_trainable);
  const Config c = parse_config("[PRIOR_LANGEVIN]\nstep_size = 0.1\niters = 7\n", "f.ini");
  EXPECT_EQ(c.model.prior.deep.step_size, 0.1);
  EXPECT_EQ(c.model.prior.deep.iters, 7);
  EXPECT_TRUE(noted(parse_config("[MixtureModel]\nuse_mixture_prior = true\nλ_reg = 1\n", "f.ini"), "only shifts"));
}

TEST(Resolve, DefaultsThatFollowOtherKeys) {
  EXPECT_EQ(parse_config("[TRAINING]\nbatch_size = 37\n", "f.ini").posterior.samples, 37);
  EXPECT_EQ(parse_config("[TRAINING]\nbatch_size = 37\nimportance_sample_size = 400\n", "f.ini").posterior.samples,
            400);
  const Config c = parse_config("[TRAINING]\neps = 0.5\n", "f.ini");
  EXPECT_EQ(c.model.prior.basis.ridge, 0.5);
  EXPECT_EQ(c.model.generator.basis.ridge, 0.5);
}

TEST(Resolve, PriorsWithTheirOwnDomainSaySo) {
  const std::string range = "grid_range = -1,1\n";
  EXPECT_TRUE(noted(parse_config("[EbmModel]\nπ_0 = uniform\n" + range, "f.ini"), "the domain is [0,1]"));
  EXPECT_TRUE(noted(parse_config("[EbmModel]\nπ_0 = lognormal\n" + range, "f.ini"), "the domain is [exp(-6),4]"));
  const std::string own = "; kaem config 1\n";
  EXPECT_TRUE(parse_config(own + "[EbmModel]\nπ_0 = uniform\n" + range, "f.ini").notes.empty());
  const Config changed = load_config("config/nist_config.ini", {parse_override("EbmModel.π_0=uniform")}, "MNIST", "");
  EXPECT_TRUE(noted(changed, "the domain is [0,1]")) << "an option is the user's own";
}

/// Every key that means something else in a file of the reference's is named in one line when such a file is read; a
/// file with our first line says what it means.
TEST(Resolve, OtherMeaningsOfTheReferenceAreNamed) {
  const std::string own = "; kaem config 1\n";
  const auto expect_note = [&](const std::string& text, const std::string& note) {
    EXPECT_TRUE(noted(parse_config(text, "f.ini"), note)) << text;
    EXPECT_TRUE(parse_config(own + text, "f.ini").notes.empty()) << text;
  };
  for (const char* section : {"EbmModel", "GeneratorModel"}) {
    const std::string head = std::string("[") + section + "]\n";
    expect_note(head + "spline_function = FFT\ninit_τ = 1\ngrid_range = -1,1\n", "2(b - a)τ = 4");
    expect_note(head + "spline_function = RBF\ninit_τ = 2\n", "larger is wider");
    expect_note(head + "spline_function = Cheby\nbase_activation = silu\n", "acts with Chebyshev polynomials too");
    EXPECT_TRUE(parse_config(head + "spline_function = RBF\ninit_τ = 1\n", "f.ini").notes.empty());
  }
  expect_note("[EbmModel]\nπ_0 = gaussian\ngrid_range = -1,1\n", "the reference's on -1.2,1.2");
  EXPECT_TRUE(parse_config("[EbmModel]\nπ_0 = gaussian\ngrid_range = -1.2,1.2\n", "f.ini").notes.empty());
  const std::string text = "[TRAINING]\ndataset = PTB\n[SEQ]\nsequence_length = 8\n";
  expect_note(text + "[GeneratorModel]\ngenerator_variance = 0.1\n", "is without effect on text");
}

TEST(Resolve, MorletsFrequency) {
  const std::string wavelet = "[EbmModel]\nspline_function = Wavelet\nwavelet_type = Morlet\n";
  EXPECT_EQ(parse_config(wavelet, "f.ini").model.prior.basis.tau, 5);
  EXPECT_EQ(parse_config(wavelet + "init_τ = 10\n", "f.ini").model.prior.basis.tau, 10);
  EXPECT_EQ(parse_config("[EbmModel]\nspline_function = DoG\n", "f.ini").model.prior.basis.tau, 1);
}

TEST(Resolve, DecayIsForOptimisersThatHaveOne) {
  for (const char* type : {"adam", "nadam", "rmsprop", "adamw", "sgd", "momentum", "nesterov"}) {
    const Config c = parse_config(str("[OPTIMIZER]\ntype = ", type, "\ndecay = 0.1\n"), "f.ini");
    const bool ignored = std::string(type) == "adam" || std::string(type) == "nadam" || std::string(type) == "rmsprop";
    EXPECT_EQ(c.optimizer.weight_decay, ignored ? 0 : 0.1) << type;
    EXPECT_EQ(noted(c, str("decay = 0.1 is ignored: ", type)), ignored) << type;
  }
}

TEST(Resolve, LaddersWhoseTemperaturesCoincideInFloat32AreRefused) {
  const auto ladder = [](int64_t levels, const std::string& key, const std::string& p) {
    return str("[THERMODYNAMIC_INTEGRATION]\nnum_temps = ", levels, "\n", key, " = ", p, "\n");
  };
  for (const char* key : {"p_start", "p_end"}) {
    // 10^-37.9 is the least normal number: (1/10)^37 is one, (1/10)^38 is not.
    EXPECT_NO_THROW(parse_config(ladder(10, key, "37"), "f.ini"));
    EXPECT_NO_THROW(parse_config(ladder(10, key, "0.01"), "f.ini"));
    EXPECT_NE(refused(ladder(10, key, "38")).find("the same number in float32; choose a smaller exponent"),
              std::string::npos);
    EXPECT_NE(refused(ladder(10, key, "1000")).find(str(key, " = 1000: of the temperatures (k/10)^1000")),
              std::string::npos);
    EXPECT_NE(refused(ladder(10, key, "1e-9")).find("choose an exponent nearer to 1"), std::string::npos);
    EXPECT_NO_THROW(parse_config(ladder(1, key, "1000"), "f.ini")) << "no tempering";
  }
}

TEST(Resolve, WordsForOff) {
  const Config none = parse_config("[THERMODYNAMIC_INTEGRATION]\nnum_temps = -1\n", "f.ini");
  EXPECT_EQ(none.posterior.tempering.levels, 0);
  EXPECT_EQ(none.run.mode, "vanilla");
  EXPECT_TRUE(none.notes.empty());
  const Config plain = parse_config("[TRAINING]\nuse_perceptual_loss = true\n", "f.ini");
  EXPECT_FALSE(plain.model.generator.use_perceptual_loss);
  EXPECT_TRUE(noted(plain, "use_perceptual_loss = true is ignored"));
  const Config known = parse_config(
      "[GeneratorModel]\noutput_dim = 3\n[SYMBOLIC_REG]\nnum_restarts = 2\nfit_symbolic_prior = true\n", "f.ini");
  EXPECT_TRUE(noted(known, "without effect here"));
}

TEST(Resolve, BaselinesFilesAreRefusedWithTheFileThatHelps) {
  EXPECT_EQ(refused("[TRAINING]\nbatch_size = 5\n[VAE]\nbeta = 1\n"),
            "f.ini:4: [VAE]: a baseline's file; expected --mode baseline-vae, baseline-pang, baseline-ddpm or "
            "baseline-gan, or a file with [EbmModel], such as config/svhn_config.ini");
  EXPECT_EQ(parse_config("[VAE]\nbeta = 1\n[EbmModel]\ngrid_size = 9\n", "f.ini").run.mode, "vanilla");
}

/// Keys and values as the reference's files have them (SVHN's), in the order of its four sections.
constexpr const char* kReferenceBaselines = R"([TRAINING]
batch_size = 50
N_train = 40000
num_generated_samples = 20000
device = gpu
[OPTIMIZER]
type = adam
learning_rate = 0.001
decay = 0.0005
[VAE]
latent_dim = 41
encoder_channels = 16, 32, 64, 128
decoder_channels = 128, 64, 32, 16
encoder_strides = 2, 2, 2, 2
encoder_kernels = 4, 4, 4, 4
encoder_paddings = 1, 1, 1, 1
decoder_strides = 2, 2, 2, 2
decoder_kernels = 4, 4, 4, 4
decoder_paddings = 1, 1, 1, 1
batchnorm = false
beta = 0.01
learning_rate = 0.0001
[GAN]
latent_dim = 41
generator_channels = 128, 64, 32
discriminator_channels = 32, 64, 128
generator_strides = 2, 2, 2, 1
generator_kernels = 4, 4, 4, 3
generator_paddings = 1, 1, 1, 1
discriminator_strides = 2, 2, 2
discriminator_kernels = 4, 4, 4
discriminator_paddings = 1, 1, 1
batchnorm = false
n_critic = 2
lr_gen = 0.0003
lr_disc = 0.0004
[DDPM]
num_timesteps = 500
beta_start = 0.0001
beta_end = 0.02
channels = 32, 64, 128, 256
kernel_size = 3
time_dim = 128
sampling_stride = 1
learning_rate = 0.0002
[PANG]
latent_dim = 41
generator_channels = 128, 64, 32, 16
generator_strides = 2, 2, 2, 2
generator_kernels = 4, 4, 4, 4
generator_paddings = 1, 1, 1, 1
energy_widths = 200, 200, 1
prior_sgld_steps = 60
prior_sgld_step_size = 0.16
post_sgld_steps = 40
post_sgld_step_size = 0.01
noise_scale = 1.0
alpha_cd = 1.0
likelihood_variance = 0.3
prior_sigma = 1.0
learning_rate = 0.0005
)";

TEST(Resolve, TheReferencesBaselinesMeanWhatTheySay) {
  const auto load = [](const std::string& mode) {
    return parse_config(kReferenceBaselines, "svhn.ini", {}, "SVHN", mode);
  };
  const Config vae = load("baseline-vae");
  EXPECT_EQ(vae.objective.criterion, "variational");
  EXPECT_EQ(vae.objective.beta.beta, 0.01);
  EXPECT_EQ(vae.posterior.sampler, "encoder");
  EXPECT_EQ(vae.posterior.encoder.channels, (std::vector<int64_t>{16, 32, 64, 128}));
  EXPECT_EQ(vae.model.generator.cnn.dims, (std::vector<int64_t>{128, 64, 32}));
  EXPECT_EQ(vae.optimizer.learning_rate, 0.0001);
  const Config pang = load("baseline-pang");
  EXPECT_EQ(pang.posterior.sampler, "ula");
  EXPECT_EQ(pang.posterior.chain_start, "base");
  EXPECT_EQ(pang.posterior.iters, 40);
  EXPECT_EQ(pang.model.prior.deep.iters, 60);
  EXPECT_EQ(pang.model.prior.deep.step_size, 0.16);
  EXPECT_NEAR(pang.model.generator.sigma, std::sqrt(0.3), 1e-15);
  EXPECT_EQ(pang.optimizer.learning_rate, 0.0005);
  EXPECT_EQ(load("baseline-ddpm").baseline.ddpm.timesteps, 500);
  EXPECT_EQ(load("baseline-ddpm").optimizer.learning_rate, 0.0002);
  const Config gan = load("baseline-gan");
  EXPECT_EQ(gan.optimizer.learning_rate, 0.0003);
  EXPECT_EQ(gan.optimizer.prior_learning_rate, 0.0004);
  EXPECT_EQ(gan.baseline.gan.n_critic, 2);
  EXPECT_EQ(gan.model.generator.cnn.strides, (std::vector<int64_t>{2, 2, 2, 1}));
  for (const Config& c : {vae, pang, gan}) {
    const std::string text = to_ini(c);
    EXPECT_EQ(to_ini(parse_config(text, "again.ini")), text);
    EXPECT_EQ(text.find("[EbmModel]"), std::string::npos) << "a section that the mode does not read";
  }
  EXPECT_EQ(to_ini(gan).find("[VAE]"), std::string::npos);
}

TEST(Resolve, BaselinesRefuseWhatTheyAreNotMadeFor) {
  const auto load = [](const std::string& text, const std::string& dataset, const std::string& mode) {
    return refusal([&] { parse_config(text, "f.ini", {}, dataset, mode); });
  };
  EXPECT_NE(load("", "PTB", "baseline-gan").find("baselines are trained on images"), std::string::npos);
  EXPECT_NE(load("[VAE]\ndecoder = kan\nlatent_dim = 7\n", "MNIST", "baseline-vae").find("[GeneratorModel] widths"),
            std::string::npos);
  EXPECT_NE(load("[VAE]\nencoder_strides = 3,3,3\n", "MNIST", "baseline-vae").find("[VAE] encoder_strides"),
            std::string::npos);
  EXPECT_NE(load("[GAN]\ngenerator_strides = 2,2\n", "MNIST", "baseline-gan").find("[GAN] generator_strides"),
            std::string::npos);
  EXPECT_NE(load("[PANG]\nenergy_widths = 5,2\n", "MNIST", "baseline-pang").find("end in 1"), std::string::npos);
  EXPECT_NE(load("[PANG]\nalpha_cd = 2\n", "MNIST", "baseline-pang").find("alpha_cd"), std::string::npos);
  EXPECT_NE(load("[DDPM]\nkernel_size = 4\n", "MNIST", "baseline-ddpm").find("odd"), std::string::npos);
  EXPECT_NE(load("[TRAINING]\ncriterion = thermodynamic\n", "MNIST", "baseline-vae").find("has its own"),
            std::string::npos);
  EXPECT_NE(load("[POST_LANGEVIN]\nchain_start = base\n", "MNIST", "vanilla").find("deep prior"), std::string::npos);
}

TEST(Resolve, PreconditionersAreForKernelsThatTakeOne) {
  const auto load = [](const std::string& text) { return parse_config(text, "f.ini", {}, "MNIST", "vanilla"); };
  for (const char* kind : {"prior", "encoder"}) {
    const std::string keys = std::string("[POST_LANGEVIN]\npreconditioner = ") + kind + "\nsampler = ";
    EXPECT_NE(refusal([&] { load(keys + "pcnl\n"); }).find("preconditioner"), std::string::npos);
    for (const char* sampler : {"ula", "mala", "automala"})
      EXPECT_EQ(load(keys + sampler + "\n").posterior.preconditioner, kind);
  }
  EXPECT_EQ(load("[POST_LANGEVIN]\nsampler = pcnl\npreconditioner = none\n").posterior.sampler, "pcnl");
}

TEST(Resolve, StartsFromWeightedDrawsNeedWhatWeighsThem) {
  const auto load = [](const std::string& text, const std::string& dataset) {
    parse_config("[POST_LANGEVIN]\nsampler = mala\nchain_start = proposal\n" + text, "f.ini", {}, dataset, "vanilla");
  };
  const auto refused = [&](const std::string& text, const std::string& part, const std::string& dataset = "MNIST") {
    EXPECT_NE(refusal([&] { load(text, dataset); }).find(part), std::string::npos) << text;
  };
  const std::string start = "choose another [POST_LANGEVIN] chain_start", none = "none is left for the encoder";
  refused("[EbmModel]\nlayer_widths = 100,200,1\n", start);
  refused("[SEQ]\nsequence_length = 20\nautoregressive = true\n", start, "PTB");
  // One draw at least is the prior's, and one must be left for the encoder.
  refused("defensive_share = 1\n", none);
  refused("[TRAINING]\nimportance_sample_size = 1\n", none);
  EXPECT_NO_THROW(load("[TRAINING]\nimportance_sample_size = 2\n", "MNIST"));
}

TEST(Resolve, ADeepPriorOverABoxHasNoCoordinatesForPcnl) {
  const auto load = [](const std::string& reference) {
    parse_config("[EbmModel]\nlayer_widths = 9,6,1\nπ_0 = " + reference +
                     "\n[GeneratorModel]\nwidths = 9,12\n[POST_LANGEVIN]\nsampler = pcnl\n",
                 "f.ini", {}, "MNIST", "vanilla");
  };
  EXPECT_NE(refusal([&] { load("uniform"); }).find("needs [EbmModel] π_0 = gaussian"), std::string::npos);
  EXPECT_NO_THROW(load("gaussian"));
}

TEST(Resolve, SaysWhichKeysOfASamplerHaveNoEffect) {
  const auto has_note = [](const std::string& sampler, const std::string& given, const std::string& part) {
    std::vector<Override> set;
    if (!given.empty()) set.push_back(parse_override(given));
    return noted(parse_config("; kaem config 1\n[POST_LANGEVIN]\nsampler = " + sampler + "\niters = 5\n", "f.ini", set,
                              "MNIST", "vanilla"),
                 part);
  };
  const std::string start = "POST_LANGEVIN.chain_start=encoder", kept = "POST_LANGEVIN.kept_draws=3";
  EXPECT_TRUE(has_note("importance", start, "without effect here: [POST_LANGEVIN] chain_start"));
  EXPECT_TRUE(has_note("proposal", start, "chain_start"));
  EXPECT_FALSE(has_note("proposal", kept, "kept_draws"));
  EXPECT_TRUE(has_note("ula", kept, "kept_draws"));
  EXPECT_FALSE(has_note("ula", start, "chain_start"));
  EXPECT_FALSE(has_note("importance", "", "iters"));  // a file may serve several samplers
}

TEST(Resolve, GridUpdatesFallDueAtGrowingIntervals) {
  GridSchedule grid{.frequency = 10, .decay = 0.5};
  std::vector<int64_t> due;
  for (int64_t step = -1; step <= 100; ++step)
    if (grid.due(step)) due.push_back(step);
  EXPECT_EQ(due, (std::vector<int64_t>{10, 25, 47, 81}));  // intervals 10, 15, 22.5, 33.75
  grid.enabled = false;
  EXPECT_FALSE(grid.due(10));
  EXPECT_FALSE((GridSchedule{.prior = false, .generator = false, .frequency = 10}.due(10)));
  EXPECT_TRUE((GridSchedule{.frequency = 1, .decay = 1}.due(1000000)));
}

TEST(Resolve, FilesOfTheProject) {
  const Config nist = load_config("config/nist_config.ini", {}, "MNIST", "vanilla");
  EXPECT_TRUE(nist.notes.empty()) << nist.notes.front();
  EXPECT_EQ(nist.data.train_size / nist.run.batch_size * nist.run.epochs, 8000);
  EXPECT_EQ(nist.model.generator.sigma, 0.3);
  EXPECT_FALSE(nist.model.prior.contrastive_divergence);
  const Config darcy = load_config("config/darcy_flow_config.ini", {}, "DARCY_FLOW", "vanilla");
  EXPECT_TRUE(darcy.notes.empty()) << darcy.notes.front();
  EXPECT_EQ(darcy.data.train_size / darcy.run.batch_size * darcy.run.epochs, 3840);
  EXPECT_EQ(darcy.model.prior.reference, "gaussian");
  EXPECT_EQ(default_config_path("mnist"), "config/nist_config.ini");
  EXPECT_EQ(default_config_path("FMNIST"), "config/nist_config.ini");
  EXPECT_EQ(default_config_path("DARCY_PERM"), "config/darcy_perm_config.ini");
  EXPECT_EQ(default_config_path("DARCY_PERM", "", true), "config/darcy_perm_config.ini");
  EXPECT_EQ(default_config_path("mnist", "", true), "config/nist_tuning_config.ini");
  EXPECT_EQ(default_config_path("mnist", "baseline-vae"), "config/baseline_nist_config.ini");
  EXPECT_EQ(default_config_path("DARCY_FLOW", "baseline-vae"), "config/darcy_flow_config.ini");
  EXPECT_NE(refusal([] { default_config_path("MNSIT"); }).find("did you mean 'MNIST'?"), std::string::npos);
  EXPECT_EQ(default_config_path("FOLDER"), "config/folder_config.ini");
  EXPECT_EQ(default_config_path("svhnpang"), "config/svhn_pang_config.ini");
}

TEST(Resolve, FilesThatCannotBeRead) {
  EXPECT_NE(refusal([] {
              load_config("/nowhere/f.ini", {}, "", "");
            }).find("/nowhere/f.ini: the configuration file cannot be read"),
            std::string::npos);
  EXPECT_NE(refusal([] { load_config("config", {}, "", ""); }).find("is a folder"), std::string::npos);
}

TEST(Resolve, PrincipalComponentsWantAKanGeneratorOfNumbers) {
  const Config c = parse_config("[PCA]\nuse_pca = true\npca_components = 30\n[DATA]\nrandom_flip = true\n", "f.ini");
  EXPECT_TRUE(c.data.use_pca);
  EXPECT_EQ(c.data.pca_components, 30);
  EXPECT_EQ(c.model.generator.output_activation, "identity");
  EXPECT_FALSE(c.data.random_flip);
  EXPECT_TRUE(noted(c, "[GeneratorModel] output_activation = sigmoid is replaced by identity: [PCA] use_pca = true"));
  EXPECT_TRUE(noted(c, "[DATA] random_flip = true is replaced by false"));
  EXPECT_TRUE(parse_config(to_ini(c), "again.ini").notes.empty());
  const Config variational =
      parse_config("[PCA]\nuse_pca = true\n[Encoder]\ntype = cnn\n[TRAINING]\nmode = variational\n", "f");
  EXPECT_EQ(variational.posterior.encoder.type, "diagonal");
  for (const char* other : {"[CNN]\nuse_cnn_lkhood = true\n", "[GeneratorModel]\nlikelihood = bernoulli\n",
                            "[TRAINING]\ndequantize = true\n"})
    EXPECT_EQ(refused(std::string("[PCA]\nuse_pca = true\n") + other).rfind("f.ini:2: [PCA] use_pca = true: ", 0), 0u)
        << other;
  EXPECT_NE(refused("[PCA]\npca_components = 0\n").find("pca_components = 0"), std::string::npos);
  const Config text = parse_config(
      "[PCA]\nuse_pca = true\n[TRAINING]\ndataset = PTB\n[SEQ]\nsequence_length = 5\nvocab_size = 9\n", "f.ini");
  EXPECT_FALSE(text.data.use_pca);
  EXPECT_TRUE(noted(text, "use_pca = true is ignored"));
}

}  // namespace
}  // namespace kaem
