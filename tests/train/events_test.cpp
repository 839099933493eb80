// What TensorBoard is told of a run, read by a second reader.
#include "support/events.h"

#include <cmath>
#include <set>

#include "kaem/core/str.h"
#include "train/tiny_run.h"

namespace kaem {
namespace {

Config watched_config(const std::string& out) {
  Config c = tiny_config(out);
  c.run.sample_epochs = 3, c.run.checkpoint_steps = 9;
  return c;
}

/// "step tag" of every value, with the number of scalars but the clock's: what a run that never stopped writes.
std::multiset<std::string> told(const std::string& run) {
  std::multiset<std::string> lines;
  for (const auto& [step, tag, value] : test::read_events(read_text(run + "/" + kEventsFile))) {
    const bool scalar = value.contains(2) && tag != "clock/seconds";
    lines.insert(str(step, " ", tag, scalar ? str(" ", test::number_of<float>(value.at(2)[0])) : ""));
  }
  return lines;
}

TEST(RunEvents, HoldTheNumbersOfMetrics) {
  const TempFolder temp("events");
  const Report report = run_tiny(named(watched_config(temp.path), "a"));
  const auto rows = metrics_of(report.folder);
  const auto column = static_cast<size_t>(std::find(rows[0].begin(), rows[0].end(), "loss") - rows[0].begin());
  std::vector<std::pair<uint64_t, double>> losses;
  std::set<std::string> tags;
  for (const auto& [step, tag, value] : test::read_events(read_text(report.folder + "/" + kEventsFile))) {
    tags.insert(tag);
    if (tag == "train/loss") losses.emplace_back(step, test::number_of<float>(value.at(2)[0]));
  }
  ASSERT_EQ(losses.size(), rows.size() - 1);
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_EQ(str(losses[i].first), rows[i + 1][0]);
    const double written = std::stod(rows[i + 1][column]);
    EXPECT_NEAR(losses[i].second, written, 1e-6 * std::abs(written));
  }
  for (const char* tag : {"configuration", "samples", "prior/latents", "prior/energies", "prior/KL to the reference",
                          "prior/densities", "train/lr", "grid/moved", "clock/epoch"})
    EXPECT_TRUE(tags.contains(tag)) << tag;
}

TEST(RunEvents, OfAStoppedRunAreThoseOfOneThatWasNot) {
  const TempFolder temp("events_resume");
  const Report straight = run_tiny(named(watched_config(temp.path), "straight"));
  for (const int64_t stop : {12, 25}) {  // at a picture, and between rows
    Config stopping = named(watched_config(temp.path), str("stopped_", stop));
    stopping.run.max_steps = stop;
    const Report first = run_tiny(stopping);
    const Report second = run_tiny(RunFolder::open(first.folder).config(), first.folder);
    EXPECT_EQ(told(second.folder), told(straight.folder)) << stop;
  }
}

TEST(RunEvents, ThatWereDamagedAreBegunAnew) {
  const TempFolder temp("events_damaged");
  for (const char* damage : {"", "other bytes"}) {
    Config stopping = named(watched_config(temp.path), str("a", damage));
    stopping.run.max_steps = 25;
    const Report first = run_tiny(stopping);
    const std::string path = first.folder + "/" + kEventsFile;
    std::filesystem::remove(path);
    if (*damage != '\0') write_text(path, damage);
    testing::internal::CaptureStderr();
    run_tiny(RunFolder::open(first.folder).config(), first.folder);
    EXPECT_NE(testing::internal::GetCapturedStderr().find("events.tfevents is not what the run wrote"),
              std::string::npos);
    const auto values = test::read_events(read_text(path));
    ASSERT_FALSE(values.empty());
    for (const auto& value : values) EXPECT_GE(value.step, 25U) << value.tag;
  }
}

TEST(RunEvents, CanBeSwitchedOff) {
  const TempFolder temp("events_off");
  Config config = named(watched_config(temp.path), "a");
  config.run.tensorboard = false;
  const Report report = run_tiny(config);
  EXPECT_FALSE(std::filesystem::exists(report.folder + "/" + kEventsFile));
  config.run.tensorboard = true;
  config.run.name = "b";
  expect_same_runs(report.folder, run_tiny(config).folder);
}

}  // namespace
}  // namespace kaem
