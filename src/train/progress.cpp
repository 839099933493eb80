#include "progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "kaem/core/duration.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr auto kMark = std::chrono::seconds(5);
constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;
constexpr double kTrial = 3;      // seconds, before a run's length is told
constexpr double kShortRun = 20;  // seconds, of which nothing is told

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string bar(double share) {
  const auto full = static_cast<size_t>(std::clamp(static_cast<int>(share * kBarWidth), 0, kBarWidth));
  return str('[', std::string(full, '#'), std::string(kBarWidth - full, '.'), ']');
}

std::string format(const char* pattern, double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

}  // namespace

std::string progress_text(const ProgressPoint& p, size_t columns, bool with_bar) {
  const double share = static_cast<double>(p.step) / static_cast<double>(std::max<int64_t>(p.last, 1));
  struct Part {
    std::string text;
    int rank;  // the greatest goes first where there is no room; 0 stays
  };
  std::vector<Part> parts = {
      {with_bar ? bar(share) : "", 4},           {str(p.step, "/", p.last), 0},
      {format("%.0f%%", 100 * share), 0},        {str("epoch ", p.epoch, "/", p.epochs), 2},
      {str("loss ", format("%.5g", p.loss)), 1}, {format("%.0f images/s", p.images_per_second), 3},
      {clock_text(p.seconds_left) + " left", 0}};
  for (int least = 5;; --least) {
    std::string line;
    for (const auto& [text, rank] : parts)
      if (rank < least && !text.empty()) line.append(line.empty() ? "" : "  ").append(text);
    if (columns == 0 || line.size() <= columns || least == 1) return line;
  }
}

Progress::Progress(int64_t first, int64_t last, int64_t steps_per_epoch, int64_t batch_size, bool quiet)
    : first_(first),
      last_(last),
      steps_per_epoch_(steps_per_epoch),
      batch_size_(batch_size),
      quiet_(quiet),
      bar_(log::shows_status()),
      old_mark_step_(first),
      mark_step_(first),
      start_(Clock::now()),
      old_mark_(start_),
      mark_(start_),
      shown_(start_) {}

Progress::~Progress() { log::set_status_line(""); }

double Progress::images_per_second(int64_t step, Clock::time_point now) {
  if (now - mark_ >= kMark) {
    old_mark_ = mark_, old_mark_step_ = mark_step_;
    mark_ = now, mark_step_ = step;
  }
  const double seconds = seconds_between(old_mark_, now);
  return seconds > 0 ? static_cast<double>((step - old_mark_step_) * batch_size_) / seconds : 0;
}

/// Once, as soon as it can be known.
void Progress::tell_length(int64_t step, Clock::time_point now) {
  const double passed = seconds_between(start_, now);
  if (told_ || passed < kTrial) return;
  told_ = true;
  const double each = passed / static_cast<double>(step - first_), all = each * static_cast<double>(last_ - first_);
  if (all < kShortRun) return;
  const std::string time = each < 10 ? format(each < 0.1 ? "%.1f" : "%.0f", 1e3 * each) + " ms" : clock_text(each);
  log::info(str("an update takes ", time, ": about ", clock_text(all), " in all"),
            {{"ms_per_update", 1e3 * each}, {"seconds_in_all", all}});
}

void Progress::update(int64_t step, double loss) {
  if (quiet_) return;
  const auto now = Clock::now();
  const double rate = images_per_second(step, now);
  tell_length(step, now);
  if (bar_ ? now - shown_ < kBarInterval : now - shown_ < kLineInterval) return;
  shown_ = now;
  const ProgressPoint point{step,
                            last_,
                            (step - 1) / steps_per_epoch_ + 1,
                            (last_ + steps_per_epoch_ - 1) / steps_per_epoch_,
                            loss,
                            rate,
                            rate > 0 ? static_cast<double>((last_ - step) * batch_size_) / rate : 0};
  if (bar_) return log::set_status_line(progress_text(point, log::columns() - 1, true));
  log::info(progress_text(point, 0, false), {{"step", point.step},
                                             {"updates", point.last},
                                             {"epoch", point.epoch},
                                             {"epochs", point.epochs},
                                             {"loss", point.loss},
                                             {"images_per_second", point.images_per_second},
                                             {"seconds_left", point.seconds_left}});
}

}  // namespace kaem
