#include "kaem/train/profile.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace kaem {
namespace {

constexpr size_t kMostEvents = 20000;  // a trace of more is slow to open

}  // namespace

Profile::Scope::Scope(Profile* profile, const char* phase)
    : profile_(profile != nullptr && profile->on_ ? profile : nullptr), phase_(phase) {
  if (profile_) start_ = Clock::now();
}

Profile::Scope::~Scope() {
  if (!profile_) return;
  if (profile_->settle_) profile_->settle_();
  const auto end = Clock::now();
  const auto seconds = std::chrono::duration<double>(end - start_).count();
  auto& rows = profile_->rows_;
  auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.phase == phase_; });
  if (row == rows.end()) row = rows.insert(rows.end(), Row{phase_});
  row->seconds += seconds, ++row->calls;
  const auto microseconds = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  };
  if (profile_->events_.size() < kMostEvents)
    profile_->events_.push_back({phase_, microseconds(start_ - profile_->begun_), microseconds(end - start_)});
}

std::vector<Profile::Row> Profile::rows() const {
  std::vector<Row> rows = rows_;
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.seconds > b.seconds; });
  double left = std::chrono::duration<double>(Clock::now() - begun_).count();
  for (const Row& row : rows) left -= row.seconds;
  rows.push_back({"other", std::max(left, 0.0), 1});
  return rows;
}

std::string Profile::to_json() const {
  using Json = nlohmann::ordered_json;
  Json trace = {{"displayTimeUnit", "ms"}, {"phases", Json::array()}, {"traceEvents", Json::array()}};
  for (const auto& [phase, seconds, calls] : rows())
    trace["phases"].push_back({{"name", phase}, {"seconds", seconds}, {"calls", calls}});
  for (const auto& [phase, start, length] : events_)
    trace["traceEvents"].push_back(
        {{"name", phase}, {"ph", "X"}, {"ts", start}, {"dur", length}, {"pid", 1}, {"tid", 1}});
  return trace.dump() + "\n";
}

std::string to_text(const std::vector<Profile::Row>& rows) {
  double all = 0;
  for (const auto& row : rows) all += row.seconds;
  std::string text = "phase                     seconds   share     calls   ms a call\n";
  for (const auto& [phase, seconds, calls] : rows) {
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(), "%-24s %8.2f %6.1f%% %9lld %11.3f\n", phase.c_str(), seconds,
                  all > 0 ? 100 * seconds / all : 0, static_cast<long long>(calls),
                  calls > 0 ? 1000 * seconds / static_cast<double>(calls) : 0);
    text += line.data();
  }
  return text;
}

}  // namespace kaem
