// Random damage to each file that a run reads: an error, a warning or no difference; never a signal, never another
// result without a word. KAEM_DAMAGES: how many times each file is damaged (15 where nothing is said).
#include <cstdlib>
#include <random>

#include "kaem/config/config.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/pca.h"
#include "kaem/train/metrics.h"
#include "train/tiny_run.h"

namespace kaem {
namespace {

namespace fs = std::filesystem;

/// MNIST's form: 40 + 10 images of 4x4.
void write_images(const std::string& folder) {
  fs::create_directories(folder);
  std::mt19937_64 random(3);
  const auto number = [](uint32_t n) {
    return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
                       static_cast<char>(n)};
  };
  for (const auto& [name, count] : {std::pair{"train", 40}, {"t10k", 10}}) {
    std::string images = number(0x803) + number(count) + number(4) + number(4), labels = number(0x801) + number(count);
    for (int i = 0; i < 16 * count; ++i) images += static_cast<char>(random() % 256);
    for (int i = 0; i < count; ++i) labels += static_cast<char>(i % 10);
    write_text(folder + "/" + name + "-images-idx3-ubyte", images);
    write_text(folder + "/" + name + "-labels-idx1-ubyte", labels);
  }
}

void write_sentences(const std::string& folder) {
  fs::create_directories(folder);
  std::mt19937_64 random(4);
  std::string text;
  for (int line = 0; line < 50; ++line) {
    for (int word = 0; word < 6; ++word)
      text += std::string(word > 0 ? " " : "") + static_cast<char>('a' + random() % 9);
    text += "\n";
  }
  for (const char* part : {"train", "valid", "test"}) write_text(folder + "/ptb." + part + ".txt", text);
}

/// What a program that reads the run sees of it.
std::string seen(const std::string& run) {
  const LoadedRun loaded = load_run(run, "cpu");
  std::string text = to_ini(loaded.config) + std::to_string(loaded.step);
  for (const auto& p : loaded.model->named_parameters()) {
    const at::Tensor value = p.value().contiguous();
    text.append(static_cast<const char*>(value.const_data_ptr()), value.nbytes());
  }
  for (const auto& word : loaded.vocabulary) text += word + "\n";
  if (loaded.pca) {
    const at::Tensor value = loaded.pca->reconstruct(at::ones({1, 3})).contiguous();
    text.append(static_cast<const char*>(value.const_data_ptr()), value.nbytes());
  }
  return text;
}

/// What the run is after it has gone on to its end.
std::string ended(const std::string& run) {
  const RunFolder folder = RunFolder::open(run);
  Config config = folder.config();
  config.run.max_steps = 8;
  TrainOptions options;
  options.resume = run, options.command_line = "test";
  train(config, options);
  std::string text = seen(run);
  for (const auto& row : metrics_of(run))
    for (const auto& field : row) text += field + ",";
  return text;
}

std::string damage(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](size_t n) { return n == 0 ? size_t{0} : static_cast<size_t>(random() % n); };
  const size_t at = below(bytes.size()), many = 1 + below(32);
  switch (random() % 7) {
    case 0:
      if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
      break;
    case 1:
      bytes.resize(at);
      break;
    case 2:
      bytes.erase(at, many);
      break;
    case 3:
      bytes.insert(at, std::string(many, static_cast<char>(random())));
      break;
    case 4:
      for (size_t i = at; i < std::min(at + many, bytes.size()); ++i) bytes[i] = static_cast<char>(random());
      break;
    case 5:
      bytes.insert(at, bytes.substr(below(bytes.size()), 4 * many));
      break;
    default:
      if (!bytes.empty()) bytes[at] = "0123456789-.,\"[]{}\n "[below(20)];
  }
  return bytes;
}

struct Kind {
  const char* name;
  const char* dataset;
};

struct DamageTest : testing::TestWithParam<Kind> {
  TempFolder temp{std::string("damage_") + GetParam().name};

  Config config() const {
    Config c = named(tiny_config(temp / "runs"), "a");
    c.run.dataset = c.data.name = GetParam().dataset;
    c.data.root = temp / "data", c.data.train_size = 40, c.data.test_size = 5, c.data.offline = true;
    c.run.epochs = 2, c.run.max_steps = 4, c.run.checkpoint_steps = 2, c.run.log_steps = 3;
    if (GetParam().name == std::string("pca")) c.data.use_pca = true, c.data.pca_components = 3;
    if (GetParam().name == std::string("text")) {
      c.data.sequence_length = c.model.generator.seq.sequence_length = 4;
      c.data.vocab_size = c.model.generator.seq.vocab_size = 12;
      c.model.generator.seq.d_model = 8, c.model.generator.likelihood = "categorical";
    }
    return c;
  }
};

TEST_P(DamageTest, IsAnErrorAWarningOrNoDifference) {
  const char* many = std::getenv("KAEM_DAMAGES");
  const int times = many != nullptr ? std::atoi(many) : 15;
  write_images(temp / "data/mnist"), write_sentences(temp / "data/ptb");
  const Config c = config();
  train(c, {});
  const std::string run = temp / std::string("runs/") + c.run.dataset + "/vanilla/a", whole = temp / "whole";
  fs::copy(run, whole, fs::copy_options::recursive);
  const std::string as_seen = seen(run), as_ended = ended(run);
  std::mt19937_64 random(7);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(whole)) {
    const std::string name = fs::relative(entry.path(), whole).string();
    if (!entry.is_regular_file() || name.ends_with(".png") || name == "log.txt") continue;
    ++files;
    SCOPED_TRACE(name);
    const std::string bytes = read_text(entry.path().string());
    int refused = 0, told = 0, same = 0;
    for (int i = 0; i < times; ++i) {
      const std::string other = damage(bytes, random);
      for (const bool goes_on : {false, true}) {
        fs::remove_all(run);
        fs::copy(whole, run, fs::copy_options::recursive);
        write_text(run + "/" + name, other);
        testing::internal::CaptureStderr();
        std::string now, error;
        try {
          now = goes_on ? ended(run) : seen(run);
        } catch (const Error& e) {
          error = e.what();
        }
        const std::string printed = testing::internal::GetCapturedStderr();
        refused += error.empty() ? 0 : 1;
        if (!error.empty()) continue;
        const bool equal = now == (goes_on ? as_ended : as_seen);
        const bool warned = printed.find("warning") != std::string::npos;
        same += equal ? 1 : 0, told += !equal && warned ? 1 : 0;
        if (equal || warned) continue;
        write_text(testing::TempDir() + "kaem_damaged", other);
        ADD_FAILURE() << name << (goes_on ? ", resumed" : ", read") << ", damage " << i
                      << ": another result without a word; the damaged file is " << testing::TempDir()
                      << "kaem_damaged";
      }
    }
    RecordProperty(name, str(refused, " refused, ", told, " told, ", same, " the same"));
  }
  EXPECT_GE(files, 7);
}

INSTANTIATE_TEST_SUITE_P(Runs, DamageTest,
                         testing::Values(Kind{"plain", "MNIST"}, Kind{"pca", "MNIST"}, Kind{"text", "PTB"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace kaem
