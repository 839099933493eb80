#pragma once

#include <stdexcept>
#include <string>

namespace kaem {

/// What every error of ours is; `what()` is one line for the user, `exit_status()` what the program returns.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int exit_status = 1)
      : std::runtime_error(message), exit_status_(exit_status) {}
  int exit_status() const noexcept { return exit_status_; }

 private:
  int exit_status_;
};

/// Wrong command line, or a device that is not there (exit status 2).
struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error(message, 2) {}
};

/// Wrong configuration: names the file, section and key (exit status 2).
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(message, 2) {}
};

/// Data missing or corrupt: names the file and what was found (exit status 3).
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(message, 3) {}
};

/// A signal ended the run after its checkpoint was written (exit status 128 + signal).
struct Interrupted : Error {
  Interrupted(const std::string& message, int signal) : Error(message, 128 + signal) {}
};

}  // namespace kaem
