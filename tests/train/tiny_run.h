#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"

namespace kaem {

/// A folder of its own for each test, removed at the end.
struct TempFolder {
  std::string path;
  explicit TempFolder(const std::string& name)
      : path(testing::TempDir() + "kaem_" + name + "_" + std::to_string(::getpid())) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

/// 40 "images" of 4×4, made here.
inline Dataset tiny_data() {
  Dataset data;
  data.name = "tiny";
  data.shape = {1, 4, 4};
  data.train = Rng(3).uniform(Stream::kTest, 0, {40, 1, 4, 4});
  data.test = data.train.slice(0, 0, 10);
  data.scale_min = -1, data.scale_max = 3;
  data.sources = {{"made here", "0123"}};
  return data;
}

/// 4 updates an epoch, 60 in all; grid updates, clipping, averages, warm-up and a schedule are all on.
inline Config tiny_config(const std::string& out) {
  Config c;
  c.run.dataset = c.data.name = "DARCY_FLOW";
  c.run.out = out, c.run.device = "cpu", c.run.threads = 1, c.run.quiet = true, c.run.seed = 7;
  c.run.batch_size = 10, c.run.epochs = 15, c.run.log_steps = 7;
  c.run.checkpoint_epochs = -1, c.run.sample_epochs = -1, c.run.samples_per_picture = 4;
  c.model.prior.layer_widths = {2, 5}, c.model.prior.quadrature_nodes = 16;
  c.model.prior.basis.grid_size = 6;
  c.model.generator.widths = {5, 8};
  c.model.generator.basis.grid_size = 6;
  c.posterior.samples = 16;
  c.optimizer.learning_rate = 5e-3, c.optimizer.prior_learning_rate = 2e-3;
  c.optimizer.max_grad_norm = 5, c.optimizer.ema_decay = 0.9;
  c.schedule.type = "cosine", c.schedule.decay = 0.1, c.schedule.warmup_steps = 5;
  c.grid.frequency = 8, c.grid.decay = 0.9;
  return c;
}

inline Report run_tiny(const Config& config, const std::string& resume = "") {
  static const Dataset data = tiny_data();
  TrainOptions options;
  options.resume = resume, options.command_line = "test";
  return Trainer(config, data, options).fit();
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// metrics.csv as rows of fields, without the clock's column.
inline std::vector<std::vector<std::string>> metrics_of(const std::string& run) {
  std::istringstream text(read_text(run + "/metrics.csv"));
  std::vector<std::vector<std::string>> rows;
  size_t clock = 0;
  for (std::string line; std::getline(text, line);) {
    std::vector<std::string> row;
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
    if (rows.empty()) clock = static_cast<size_t>(std::find(row.begin(), row.end(), "seconds") - row.begin());
    if (clock < row.size()) row.erase(row.begin() + static_cast<std::ptrdiff_t>(clock));
    rows.push_back(row);
  }
  return rows;
}

/// Both runs' newest checkpoints hold the same bits, and their metrics the same numbers.
inline void expect_same_runs(const std::string& a, const std::string& b) {
  const auto x = RunFolder::open(a).load_checkpoint(), y = RunFolder::open(b).load_checkpoint();
  EXPECT_EQ(x.step, y.step);
  ASSERT_EQ(x.tensors.size(), y.tensors.size());
  for (const auto& [name, tensor] : x.tensors) {
    ASSERT_TRUE(y.tensors.contains(name)) << name;
    EXPECT_TRUE(at::equal(tensor, y.tensors.at(name))) << name;
  }
  EXPECT_EQ(metrics_of(a), metrics_of(b));
}

inline Config named(Config config, const std::string& name) {
  config.run.name = name;
  return config;
}

inline double column_sum(const std::string& run, const std::string& name) {
  const auto rows = metrics_of(run);
  const auto at = std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin();
  double sum = 0;
  for (size_t i = 1; i < rows.size(); ++i) sum += std::stod(rows[i].at(static_cast<size_t>(at)));
  return sum;
}

}  // namespace kaem
