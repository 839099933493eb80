// What a run measures of itself, with a measure whose values are known.
#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "train/tiny_run.h"

namespace kaem {
namespace {

/// Columns: a curve with its lowest point at update 24, and one that is not there before update 30.
struct Curve : Evaluator {
  explicit Curve(Trainer& measured) : trainer(measured) {}
  std::vector<std::string> columns() const override { return {"eval_low", "eval_late"}; }
  std::vector<double> measure() override {
    const auto step = static_cast<double>(trainer.steps());
    return {std::abs(step - 24), step < 30 ? std::nan("") : step};
  }
  bool higher_is_better(const std::string& column) const override { return column == "eval_late"; }
  Trainer& trainer;
};

Report run_measured(const Config& config, const std::string& resume = "") {
  const Dataset data = tiny_data();
  TrainOptions options;
  options.resume = resume;
  options.evaluator = [](Trainer& trainer) { return std::make_unique<Curve>(trainer); };
  return Trainer(config, data, options).fit();
}

/// Measured each 8 updates (4 are an epoch), a row each 7.
Config measured_config(const std::string& out, const std::string& best) {
  Config c = tiny_config(out);
  c.run.eval_epochs = 2, c.run.keep_best = best, c.run.keep_checkpoints = 1, c.run.checkpoint_steps = 9;
  return c;
}

std::vector<std::string> column_of(const std::string& run, const std::string& name) {
  const auto rows = metrics_of(run);
  const auto at = static_cast<size_t>(std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin());
  std::vector<std::string> cells;
  for (size_t i = 1; i < rows.size(); ++i) cells.push_back(at < rows[i].size() ? rows[i][at] : "");
  return cells;
}

TEST(Evaluator, ItsNumbersStandInTheRowAfterThem) {
  const TempFolder temp("measured");
  const Report report = run_measured(named(measured_config(temp.path, ""), "a"));
  // Rows after 7, 14, ..., 56, 60; measures after 8, 16, ..., 56.
  const std::vector<std::string> low = {"", "16", "8", "0", "8", "16", "24", "32", ""};
  EXPECT_EQ(column_of(report.folder, "eval_low"), low);
  const std::vector<std::string> late = {"", "", "", "", "32", "40", "48", "56", ""};
  EXPECT_EQ(column_of(report.folder, "eval_late"), late);
}

TEST(Evaluator, TheBestCheckpointStaysBesideTheNewest) {
  const TempFolder temp("best");
  const Report report = run_measured(named(measured_config(temp.path, "eval_low"), "a"));
  const RunFolder folder = RunFolder::open(report.folder);
  EXPECT_EQ(folder.checkpoint_steps(), (std::vector<int64_t>{24, 60}));
  EXPECT_EQ(folder.load_checkpoint().step, 60);
  EXPECT_EQ(RunFolder::open(report.folder + "/best").load_checkpoint().step, 24);
  EXPECT_EQ(load_run(report.folder + "/best", "cpu").step, 24);
  EXPECT_THROW(run_measured(measured_config(temp.path, "eval_low"), report.folder + "/best"), UsageError);
  const Report late = run_measured(named(measured_config(temp.path, "eval_late"), "b"));
  EXPECT_EQ(RunFolder::open(late.folder + "/best").load_checkpoint().step, 56);
}

TEST(Evaluator, AStoppedRunGoesOnWithItsMeasuresAndItsBest) {
  const TempFolder temp("measured_resume");
  const Config config = measured_config(temp.path, "eval_low");
  const Report straight = run_measured(named(config, "straight"));
  for (const int64_t stop : {8, 24, 26, 41}) {
    Config stopping = named(config, str("stopped_", stop));
    stopping.run.max_steps = stop;
    const Report first = run_measured(stopping);
    Config again = RunFolder::open(first.folder).config();
    EXPECT_EQ(again.run.keep_best, "eval_low");
    const Report second = run_measured(again, first.folder);
    expect_same_runs(straight.folder, second.folder);
    EXPECT_EQ(RunFolder::open(second.folder + "/best").load_checkpoint().step, 24) << stop;
  }
}

/// The best is one of the newest where it is among them; what a kill has left between a checkpoint and the removal of
/// older ones goes with the next resume, though it has nothing else to do.
TEST(Evaluator, NoMoreCheckpointsStayThanAreKept) {
  const TempFolder temp("surplus");
  Config config = named(measured_config(temp.path, "eval_late"), "a");
  config.run.keep_checkpoints = 3;
  const Report report = run_measured(config);
  const RunFolder folder = RunFolder::open(report.folder);
  const std::vector<int64_t> kept = {54, 56, 60};
  EXPECT_EQ(folder.checkpoint_steps(), kept);
  for (const char* ending : {".safetensors", ".json"})
    std::filesystem::copy_file(folder.file(str("checkpoints/step_54", ending)),
                               folder.file(str("checkpoints/step_45", ending)));
  ASSERT_EQ(folder.checkpoint_steps().size(), 4U);
  run_measured(folder.config(), report.folder);
  EXPECT_EQ(folder.checkpoint_steps(), kept);
}

/// A best of one measure says nothing about another.
TEST(Evaluator, AnotherMeasureBeginsAnew) {
  const TempFolder temp("another");
  Config first = named(measured_config(temp.path, "eval_low"), "a");
  first.run.max_steps = 40;
  const Report before = run_measured(first);
  Config second = RunFolder::open(before.folder).config();
  second.run.keep_best = "eval_late";
  const Report after = run_measured(second, before.folder);
  EXPECT_EQ(RunFolder::open(after.folder + "/best").load_checkpoint().step, 56);
  EXPECT_EQ(RunFolder::open(after.folder).checkpoint_steps(), (std::vector<int64_t>{56, 60}));
}

/// A run that goes on with other measures keeps the columns that its file has.
TEST(Evaluator, RowsFollowTheFilesHeader) {
  const TempFolder temp("header");
  Config plain = named(measured_config(temp.path, ""), "a");
  plain.run.eval_epochs = -1, plain.run.max_steps = 20;
  const Report first = run_measured(plain);
  Config again = RunFolder::open(first.folder).config();
  again.run.eval_epochs = 2;
  const Report second = run_measured(again, first.folder);
  const auto rows = metrics_of(second.folder);
  EXPECT_EQ(std::find(rows[0].begin(), rows[0].end(), "eval_low"), rows[0].end());
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
}

TEST(Evaluator, WhatCannotBeMeasuredIsRefused) {
  const TempFolder temp("refused");
  EXPECT_THROW(run_measured(named(measured_config(temp.path, "eval_lo"), "a")), ConfigError);
  EXPECT_THROW(run_tiny(named(measured_config(temp.path, ""), "b")), UsageError);
  EXPECT_THROW(
      RunFolder::open(run_measured(named(measured_config(temp.path, ""), "c")).folder + "/best").load_checkpoint(),
      UsageError);
}

}  // namespace
}  // namespace kaem
