#include "config/support.h"

namespace kaem {
namespace {

TEST(Value, WholeStringNumbersOnly) {
  for (const char* bad :
       {"12abc", "0x10", "1e3", "1.5", "", "-1", "0", "99999999999999999999", "nan", "1 2", "+-1", "١"})
    EXPECT_NE(refused(std::string("[TRAINING]\nbatch_size = ") + bad + "\n").find("expected an integer in 1..1000000"),
              std::string::npos)
        << bad;
  EXPECT_EQ(parse_config("[TRAINING]\nbatch_size = +010\n", "f.ini").run.batch_size, 10) << "decimal, never octal";
  EXPECT_EQ(refused("[TRAINING]\n\nbatch_size = 12abc\n"),
            "f.ini:3: [TRAINING] batch_size = 12abc: expected an integer in 1..1000000");
  EXPECT_EQ(refused("[TRAINING]\nN_train = x\n"),
            "f.ini:2: [TRAINING] N_train = x: expected an integer in 1..1000000000");
}

TEST(Value, Reals) {
  for (const char* bad : {"nan", "inf", "-inf", "NaN", "1e400", "0x1p3", "1,5", "1.0f", "", "0", "-1e-3", "."})
    EXPECT_NE(refused(std::string("[OPTIMIZER]\nlearning_rate = ") + bad + "\n").find("expected a number above 0"),
              std::string::npos)
        << bad;
  EXPECT_EQ(parse_config("[OPTIMIZER]\nlearning_rate = 2.5e-4\n", "f.ini").optimizer.learning_rate, 2.5e-4);
  EXPECT_EQ(parse_config("[OPTIMIZER]\ntype = adamw\ndecay = .5\n", "f.ini").optimizer.weight_decay, 0.5);
}

TEST(Value, NumbersBeyondFloat32AreRefused) {
  for (const char* bad : {"1e39", "-1e39", "1e-39", "3e38", "1e300", "5e-324", "1.1e9"})
    EXPECT_NE(refused(std::string("[EbmModel]\nμ_scale = ") + bad + "\n")
                  .find("beyond the numbers that are taken: 0, or 1.2e-38 to 1e9"),
              std::string::npos)
        << bad;
  for (const char* good : {"0", "-0.0", "1.2e-38", "1e9", "-1e9"})
    EXPECT_NO_THROW(parse_config(std::string("[EbmModel]\nμ_scale = ") + good + "\n", "f.ini")) << good;
  EXPECT_NE(refused("[TRAINING]\nlog_steps = 2000000000000\n").find("1e12 in size"), std::string::npos);
  EXPECT_NE(refused("[OPTIMIZER]\nbetas = 0.9,1e-50\n").find("expected numbers"), std::string::npos);
}

TEST(Value, TruthWordsListsAndChoices) {
  EXPECT_TRUE(parse_config("[TRAINING]\ndequantize = True\n", "f.ini").data.dequantize);
  EXPECT_EQ(refused("[TRAINING]\ndequantize = 1\n"), "f.ini:2: [TRAINING] dequantize = 1: expected true or false");
  EXPECT_EQ(parse_config("[GeneratorModel]\nwidths = 81 , 20,30\n", "f.ini").model.generator.widths,
            (std::vector<int64_t>{81, 20, 30}));
  for (const char* bad : {"81,", ",81", "81,,20", "81;20", "81 20", "81,a", "81,0"})
    EXPECT_NE(refused(std::string("[GeneratorModel]\nwidths = ") + bad + "\n").find("widths"), std::string::npos)
        << bad;
  EXPECT_EQ(parse_config("[EbmModel]\nspline_function = rbf\nπ_0 = GAUSSIAN\n", "f.ini").model.prior.reference,
            "gaussian");
  EXPECT_NE(refused("[GeneratorModel]\nresampler = residal\n")
                .find("expected one of: residual systematic stratified none; did you mean 'residual'?"),
            std::string::npos);
}

TEST(Value, ResizeTakesBothForms) {
  EXPECT_EQ(parse_config("[DATA]\nresize = 16x20\n", "f.ini").data.resize, (std::vector<int64_t>{16, 20}));
  EXPECT_EQ(parse_config("[DATA]\nresize = 16, 20\n", "f.ini").data.resize, (std::vector<int64_t>{16, 20}));
  EXPECT_TRUE(parse_config("[DATA]\nresize =\n", "f.ini").data.resize.empty());
  EXPECT_EQ(refused("[DATA]\nresize = 16\n"), "f.ini:2: [DATA] resize = 16: expected HxW, such as 16x16, or nothing");
}

TEST(Value, GreekLettersHaveAsciiFormsAndLookAlikes) {
  const auto scale = [](const std::string& key) {
    return parse_config("[EbmModel]\n" + key + " = 0.25\n", "f.ini").model.prior.basis.eps_scale;
  };
  EXPECT_EQ(scale("ε_scale"), 0.25);
  EXPECT_EQ(scale("ϵ_scale"), 0.25);
  EXPECT_EQ(scale("eps_scale"), 0.25);
  EXPECT_EQ(parse_config("[EbmModel]\n\u00B5_scale = 0.5\n", "f.ini").model.prior.basis.mu_scale, 0.5);
}

}  // namespace
}  // namespace kaem
