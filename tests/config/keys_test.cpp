#include "config/support.h"

namespace kaem {
namespace {

TEST(Keys, UnknownNamesGetTheNearest) {
  EXPECT_EQ(refused("[TRAINING]\nbach_size = 3\n"),
            "f.ini:2: [TRAINING] unknown key 'bach_size'; did you mean 'batch_size'?");
  EXPECT_EQ(refused("[TRANING]\nbatch_size = 3\n"), "f.ini:2: unknown section [TRANING]; did you mean 'TRAINING'?");
  EXPECT_EQ(refused("[CNN]\nuse_cnn_likelihood = false\n"),
            "f.ini:2: [CNN] unknown key 'use_cnn_likelihood'; did you mean 'use_cnn_lkhood'?");
  EXPECT_EQ(refused("[TRAINING]\nlearning_rate = 1\n"),
            "f.ini:2: [TRAINING] unknown key 'learning_rate'; it belongs to [OPTIMIZER]");
  EXPECT_EQ(refused("[TRAINING]\nqqqqqqqqqqqqqq = 1\n"), "f.ini:2: [TRAINING] unknown key 'qqqqqqqqqqqqqq'");
  EXPECT_EQ(refused_set("TRAINING.bach_size=3"),
            "--set TRAINING.bach_size=3: [TRAINING] unknown key 'bach_size'; did you mean 'batch_size'?");
  EXPECT_EQ(refused_set("OPTIMISER.type=adam"),
            "--set OPTIMISER.type=adam: unknown section [OPTIMISER]; did you mean 'OPTIMIZER'?");
}

TEST(Keys, NamesOfOtherProgramsAreRecognised) {
  EXPECT_EQ(key_of_other_programs("--lr"), "OPTIMIZER.learning_rate");
  EXPECT_EQ(key_of_other_programs("batch_size"), "TRAINING.batch_size");
  EXPECT_EQ(key_of_other_programs("Epochs"), "TRAINING.N_epochs");
  EXPECT_EQ(key_of_other_programs("--"), "");
  EXPECT_EQ(key_of_other_programs("nothing"), "");
  EXPECT_EQ(refused("[TRAINING]\nlr = 1\n"),
            "f.ini:2: [TRAINING] unknown key 'lr'; here it is OPTIMIZER.learning_rate");
  EXPECT_EQ(refused("[EbmModel]\nbasis = RBF\n"),
            "f.ini:2: [EbmModel] unknown key 'basis'; here it is EbmModel.spline_function");
  EXPECT_EQ(parse_config("[EbmModel]\nπ_0 = normal\n", "f.ini").model.prior.reference, "gaussian");
}

TEST(Keys, OverridesGoBeforeTheFileAndTheLastOneWins) {
  const Config c = load_config("config/nist_config.ini",
                               {parse_override("TRAINING.batch_size=10"),
                                parse_override("training.batch_size = 20"),
                                {"TRAINING", "seed", "7", "--seed 7"},
                                parse_override("OPTIMIZER.eps=1e-7")},
                               "fmnist", "vanilla");
  EXPECT_EQ(c.run.batch_size, 20);
  EXPECT_EQ(c.run.seed, 7u);
  EXPECT_EQ(c.optimizer.eps, 1e-7);
  EXPECT_EQ(c.run.dataset, "FMNIST");
  EXPECT_EQ(c.data.name, "FMNIST");
  EXPECT_EQ(refused_set("TRAINING.batch_size=0"), "--set TRAINING.batch_size=0: expected an integer in 1..1000000");
  EXPECT_EQ(refusal([] {
              load_config("", {{"TRAINING", "seed", "-1", "--seed -1"}}, "", "");
            }),
            "--seed -1: expected an integer of at least 0");
  for (const char* bad : {"", "x", "TRAINING=3", ".a=1", "TRAINING.=3", "a=b.c"})
    EXPECT_NE(refusal([&] { parse_override(bad); }).find("expected SECTION.key=value"), std::string::npos) << bad;
}

TEST(Keys, TwoDifferentValuesForOneKey) {
  EXPECT_EQ(refused("[TRAINING]\nbatch_size = 3\nbatch_size = 4\n"),
            "f.ini:3: [TRAINING] batch_size = 4: line 2 says 3");
  EXPECT_EQ(refused("[EbmModel]\nε_scale = 0.1\n[ebmmodel]\neps_scale = 0.2\n"),
            "f.ini:4: [EbmModel] eps_scale = 0.2: line 2 says ε_scale = 0.1");
  EXPECT_EQ(parse_config("[EbmModel]\nε_scale = 0.2\neps_scale = 2e-1\n", "f.ini").model.prior.basis.eps_scale, 0.2);
  EXPECT_NE(refused("[TRAINING]\ndevice = cuda\nuse_gpu = false\n").find("line 2 says device = cuda"),
            std::string::npos);
}

TEST(Keys, ValuesThatAreReplaced) {
  const Config c = parse_config(
      "[EbmModel]\nπ_0 = kl_gaussian\nspline_function = Wavelet\nwavelet_type = Shannon\n[OPTIMIZER]\ntype = l-bfgs\n"
      "gen_learning_rate = 1e-4\nebm_learning_rate = 2e-5\n[TRAINING]\ndevice = tpu\ncheckpoint_every = "
      "false\ngen_every = 0\n",
      "f.ini");
  EXPECT_EQ(c.model.prior.reference, "gaussian");
  EXPECT_EQ(c.model.prior.basis.kind, "Shannon");
  EXPECT_EQ(c.optimizer.type, "adam");
  EXPECT_EQ(c.optimizer.learning_rate, 1e-4);
  EXPECT_EQ(c.optimizer.prior_learning_rate, 2e-5);
  EXPECT_EQ(c.run.device, "auto");
  EXPECT_EQ(c.run.checkpoint_epochs, -1);
  EXPECT_EQ(c.run.sample_epochs, -1);
  EXPECT_TRUE(noted(c, "f.ini:2: [EbmModel] π_0 = kl_gaussian is taken as gaussian"));
  EXPECT_TRUE(noted(c, "type = l-bfgs is taken as adam"));
  EXPECT_TRUE(noted(c, "device = tpu is taken as auto"));
  EXPECT_EQ(parse_config("[TRAINING]\ndevice = gpu\n", "f.ini").run.device, "auto");
  EXPECT_EQ(parse_config("[TRAINING]\nuse_gpu = true\n", "f.ini").run.device, "auto");
  EXPECT_EQ(parse_config("[TRAINING]\nuse_gpu = false\n", "f.ini").run.device, "cpu");
  EXPECT_EQ(parse_config("[POST_LANGEVIN]\nuse_langevin = false\n", "f.ini").posterior.sampler, "importance");
}

TEST(Keys, FeaturesOfLaterVersionsAreRefusedOnlyWhenSwitchedOn) {
  const std::string message = refused("[MIXED_PRECISION]\nfull_precision = BF16\n");
  EXPECT_NE(message.find("not built yet"), std::string::npos) << message;
  EXPECT_EQ(message.rfind("f.ini:2: [", 0), 0u) << message;
  const Config c = parse_config(
      "[MixtureModel]\nuse_mixture_prior = False\nλ_reg = 0.0\n[CNN]\nuse_cnn_lkhood = false\nstrides = "
      "2,2\n[PCA]\nuse_pca = false\n"
      "[THERMODYNAMIC_INTEGRATION]\np_start = 2\n[VARIATIONAL]\nuse_variational = "
      "false\n[VAE]\nbatchnorm = true\n"
      "[EbmModel]\nlayernorm = true\nquadrature_method = trapezium\n[OPTIMIZER]\nl-bfgs_memory = 100\n",
      "f.ini");
  EXPECT_TRUE(noted(c, "layernorm = true is ignored"));
  EXPECT_TRUE(noted(c, "quadrature_method = trapezium is ignored"));
  EXPECT_TRUE(noted(c, "without effect here"));
  EXPECT_EQ(c.notes.size(), 3u);
}

TEST(Keys, OlderKeysThatStandBesideOthers) {
  const Config half = parse_config("[MIXED_PRECISION]\nreduced_precision = FP16\nfull_precision = FP32\n", "f.ini");
  EXPECT_TRUE(noted(half, "f.ini:2: [MIXED_PRECISION] reduced_precision = FP16 is taken as BF16"));
  EXPECT_EQ(half.model.generator.precision.reduced, "BF16");
  EXPECT_EQ(half.model.generator.precision.of_products(), ops::Precision::kBFloat16);
  const auto sampler = [](const std::string& keys) {
    return parse_config("[POST_LANGEVIN]\n" + keys, "f.ini").posterior.sampler;
  };
  EXPECT_EQ(sampler("use_langevin = true\nuse_autoMALA = true\n"), "automala");
  EXPECT_EQ(sampler("use_autoMALA = true\nuse_langevin = true\n"), "automala");
  EXPECT_EQ(sampler("use_langevin = false\nuse_autoMALA = true\n"), "importance");
  EXPECT_EQ(sampler("use_langevin = true\nuse_autoMALA = false\n"), "ula");
}

TEST(Keys, OlderKeysOfTheMixtureStillSetIt) {
  for (const char* section : {"[MixtureModel]", "[EbmModel]"})
    for (const char* keys :
         {"\nuse_mixture_prior = true\nλ_reg = 0.25\n", "\nmixture_model = true\nlambda_reg = 0.25\n"}) {
      const Config c =
          parse_config(std::string(section) + keys + "[MixtureModel]\ntrain_proportions = true\n", "f.ini");
      EXPECT_TRUE(c.model.prior.mixture.enabled);
      EXPECT_EQ(c.model.prior.mixture.lambda_reg, 0.25);
      EXPECT_TRUE(c.notes.empty());
    }
  EXPECT_NE(refused("[EbmModel]\nmixture_model = 3\n").find("expected true or false"), std::string::npos);
  EXPECT_NE(refused("[EbmModel]\nλ_reg = 1\n[MixtureModel]\nλ_reg = 2\n").find("line 2 says 1"), std::string::npos);
}

TEST(Keys, GeneratorsOfTheReference) {
  const Config c = parse_config(
      "[GeneratorModel]\nwidths = 7,9\nlikelihood = bernoulli\n[CNN]\nuse_cnn_lkhood = true\nactivation = leakyrelu\n"
      "hidden_feature_dims = 128,64,32\nstrides = 2,2,2,2\nkernel_sizes = 4,4,4,4\npaddings = 1,1,1,1\n"
      "projection = true\ninit_spatial = 2\nbatchnorm = false\nlatent_concat = false\n"
      "[SEQ]\nsequence_length = -1\nvocab_size = 1000\nhidden_dim = 64\nactivation = relu\n",
      "f.ini");
  EXPECT_TRUE(c.notes.empty());
  EXPECT_TRUE(c.model.generator.cnn.use && c.model.generator.cnn.projection);
  EXPECT_EQ(c.model.generator.cnn.dims, (std::vector<int64_t>{128, 64, 32}));
  EXPECT_EQ(c.model.generator.seq.d_model, 64);
  // Files for images hold sequence lengths too.
  const Config darcy = parse_config("[TRAINING]\ndataset = DARCY_FLOW\n[SEQ]\nsequence_length = 100\n", "f.ini");
  EXPECT_FALSE(darcy.model.generator.seq.use());
  EXPECT_EQ(darcy.model.generator.likelihood, "gaussian");
  EXPECT_TRUE(noted(darcy, "[SEQ] sequence_length = 100 is replaced by -1: DARCY_FLOW holds no text"));
  EXPECT_EQ(refused("[GeneratorModel]\nlikelihood = categorical\n"),
            "f.ini:2: [GeneratorModel] likelihood = categorical: categorical needs a data set of text");
  EXPECT_EQ(refused("[GeneratorModel]\nlikelihood = bernoulli\noutput_activation = tanh\n"),
            "f.ini:3: [GeneratorModel] output_activation = tanh: likelihood = bernoulli needs sigmoid");
  EXPECT_EQ(refused("[CNN]\nuse_cnn_lkhood = true\nprojection = true\ninit_spatial = -1\n"),
            "f.ini:4: [CNN] init_spatial = -1: expected 1 or more with projection = true");
}

TEST(Keys, ModeAgainstConfiguration) {
  const std::string thermo = "[THERMODYNAMIC_INTEGRATION]\nnum_temps = 7\n";
  const Config hinted = parse_config(thermo, "f.ini");
  EXPECT_EQ(hinted.run.mode, "thermo");
  EXPECT_EQ(hinted.posterior.tempering.levels, 7);
  EXPECT_EQ(hinted.posterior.sampler, "ula");
  EXPECT_EQ(hinted.objective.criterion, "thermodynamic");

  const Config vanilla = parse_config("[TRAINING]\nmode = vanilla\n" + thermo, "f.ini");
  EXPECT_TRUE(noted(vanilla, "f.ini:4: [THERMODYNAMIC_INTEGRATION] num_temps = 7 is replaced by 0: mode vanilla"));
  EXPECT_EQ(vanilla.posterior.tempering.levels, 0);
  EXPECT_EQ(vanilla.objective.criterion, "maximum_likelihood");
  EXPECT_EQ(parse_config("[POST_LANGEVIN]\nuse_langevin = true\n", "f.ini").objective.criterion, "maximum_likelihood");

  const Config asked = load_config("", {}, "", "thermo");
  EXPECT_EQ(asked.posterior.tempering.levels, 5);
  EXPECT_EQ(asked.posterior.sampler, "ula");
  const Config kept = load_config("", {parse_override("POST_LANGEVIN.sampler=mala")}, "", "thermo");
  EXPECT_EQ(kept.posterior.sampler, "mala");
  const Config off = load_config("", {parse_override("POST_LANGEVIN.sampler=importance")}, "", "thermo");
  EXPECT_TRUE(noted(off, "--set POST_LANGEVIN.sampler=importance is replaced by ula: mode thermo"));

  const Config variational = parse_config("[VARIATIONAL]\nuse_variational = true\n" + thermo, "f.ini");
  EXPECT_EQ(variational.run.mode, "variational");
  EXPECT_EQ(variational.posterior.sampler, "encoder");
  EXPECT_EQ(variational.posterior.tempering.levels, 0);
  EXPECT_EQ(variational.objective.criterion, "variational");
  const Config not_so = parse_config("[TRAINING]\nmode = thermo\n[VARIATIONAL]\nuse_variational = true\n", "f.ini");
  EXPECT_TRUE(noted(not_so, "use_variational = true is replaced by false: mode thermo"));

  EXPECT_EQ(refusal([] { load_config("", {}, "", "vanila"); }),
            "--mode vanila: expected one of: vanilla thermo variational baseline-vae baseline-pang "
            "baseline-ddpm baseline-gan; did you mean 'vanilla'?");
  EXPECT_NE(refused("[THERMODYNAMIC_INTEGRATION]\nnum_temps = x\n").find("expected an integer"), std::string::npos);
  EXPECT_NE(refused("[POST_LANGEVIN]\nsampler = encoder\n").find("belongs to mode variational"), std::string::npos);
  // What was resolved stays so when it is read again.
  for (const Config* c : {&hinted, &vanilla, &variational})
    EXPECT_EQ(to_ini(parse_config(to_ini(*c), "r.ini")), to_ini(*c));
}

TEST(Keys, PosteriorSettingsThatContradictEachOther) {
  EXPECT_NE(refused("[POST_LANGEVIN]\nstep_size_bounds = 1,0.1\n").find("expected two ascending numbers"),
            std::string::npos);
  EXPECT_NE(
      refused("[THERMODYNAMIC_INTEGRATION]\nthermo_gradient = path\n[GeneratorModel]\nvariance_trainable = true\n")
          .find("is not the gradient of log p(x)"),
      std::string::npos);
  EXPECT_NE(refused("[Encoder]\nactivation = sillu\n").find("[Encoder] activation = sillu"), std::string::npos);
}

TEST(Keys, OlderFormatIsNamed) {
  for (const char* section : {"EBM_PRIOR", "MIX_PRIOR", "KAN_LIKELIHOOD", "moe_likelihood", "MALA", "LSTM"})
    EXPECT_EQ(refused(std::string("[TRAINING]\nseed = 1\n[") + section + "]\nx = 1\n"),
              std::string("f.ini:4: [") + section + "]: format older than EbmModel/GeneratorModel");
}

TEST(Keys, TuningFilesLeaveNanToTheSearch) {
  const Config c = parse_config("[TUNING]\nsampler = bcap\n[OPTIMIZER]\nlearning_rate = NaN\n", "f.ini");
  EXPECT_EQ(c.optimizer.learning_rate, OptimizerOptions{}.learning_rate);
  EXPECT_NE(refused("[OPTIMIZER]\nlearning_rate = NaN\n").find("expected a number"), std::string::npos);
}

TEST(Keys, UnknownDataSet) {
  EXPECT_NE(refusal([] {
              load_config("", {}, "MNSIT", "");
            }).find("--dataset MNSIT: no such data set; did you mean 'MNIST'?"),
            std::string::npos);
  EXPECT_NE(refusal([] { load_config("", {}, "MNSIT", ""); }).find("did you mean 'MNIST'?"), std::string::npos);
  EXPECT_NE(refused("[TRAINING]\ndataset = DARCI_FLOW\n").find("f.ini:2: [TRAINING] dataset = DARCI_FLOW"),
            std::string::npos);
}

}  // namespace
}  // namespace kaem
