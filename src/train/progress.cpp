#include "progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "kaem/core/duration.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr auto kMark = std::chrono::seconds(5);
constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;

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

Progress::Progress(int64_t first, int64_t last, int64_t batch_size, bool quiet)
    : last_(last),
      batch_size_(batch_size),
      quiet_(quiet),
      bar_(log::is_terminal()),
      old_mark_step_(first),
      mark_step_(first),
      old_mark_(Clock::now()),
      mark_(old_mark_),
      shown_(old_mark_) {}

Progress::~Progress() { log::set_status_line(""); }

double Progress::images_per_second(int64_t step, Clock::time_point now) {
  if (now - mark_ >= kMark) {
    old_mark_ = mark_, old_mark_step_ = mark_step_;
    mark_ = now, mark_step_ = step;
  }
  const double seconds = seconds_between(old_mark_, now);
  return seconds > 0 ? static_cast<double>((step - old_mark_step_) * batch_size_) / seconds : 0;
}

void Progress::update(int64_t step, double loss) {
  if (quiet_) return;
  const auto now = Clock::now();
  const double rate = images_per_second(step, now);
  if (bar_ ? now - shown_ < kBarInterval : now - shown_ < kLineInterval) return;
  shown_ = now;
  const double share = static_cast<double>(step) / static_cast<double>(std::max<int64_t>(last_, 1));
  const double left = rate > 0 ? static_cast<double>((last_ - step) * batch_size_) / rate : 0;
  const std::string text = str(step, "/", last_, "  ", format("%.0f%%", 100 * share), "  loss ", format("%.5g", loss),
                               "  ", format("%.0f images/s", rate), "  ", clock_text(left), " left");
  if (bar_)
    log::set_status_line(bar(share) + " " + text);
  else
    log::info(text);
}

}  // namespace kaem
