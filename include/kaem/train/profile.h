#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kaem {

/// Where the time of a run goes: phases, timed from the construction of a scope to its end. Nothing is timed unless
/// `on`.
class Profile {
 public:
  /// `settle`: waits until a device has done what it was given, so that each phase is charged with its own work.
  explicit Profile(bool on, std::function<void()> settle = {})
      : on_(on), settle_(std::move(settle)), begun_(Clock::now()) {}

  class Scope {
   public:
    Scope(Profile* profile, const char* phase);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Profile* profile_;
    const char* phase_;
    std::chrono::steady_clock::time_point start_;
  };

  /// Times `phase` (a literal) while the result lives; a null `profile` times nothing.
  static Scope time(Profile* profile, const char* phase) { return {profile, phase}; }

  struct Row {
    std::string phase;
    double seconds = 0;
    int64_t calls = 0;
  };
  /// The phases, the longest first; what lies between them is "other".
  std::vector<Row> rows() const;

  /// Events in Chrome's trace format, with the rows as "phases": for Perfetto or chrome://tracing. The first events
  /// alone, if there are many.
  std::string to_json() const;

  bool on() const { return on_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    const char* phase;
    int64_t start, length;  // microseconds
  };

  bool on_;
  std::function<void()> settle_;
  Clock::time_point begun_;
  std::vector<Row> rows_;
  std::vector<Event> events_;
};

/// The rows as a table for people.
std::string to_text(const std::vector<Profile::Row>& rows);

}  // namespace kaem
