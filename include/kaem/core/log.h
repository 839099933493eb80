#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The program's messages. Safe to call from any thread; nothing below `train/` and `config/` logs.
/// The libraries that print stand in src/core/log.cpp only.
namespace kaem::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kText, kJson };

/// A value that a message tells: JSON lines carry it beside the message, a number as a number.
struct Field {
  std::string_view name;
  std::variant<int64_t, double, std::string> value;
};

void debug(std::string_view message);
void info(std::string_view message, const std::vector<Field>& fields = {});
void warn(std::string_view message);
void error(std::string_view message);

/// A line in the log file alone: for what the program prints in another way, such as the error that ends it.
void record(Level level, std::string_view message);

void set_level(Level least);
void set_format(Format format);

/// Also appends every message to `path` (created if absent); an empty path ends that. A file that cannot be opened or
/// written is one warning, never an error.
void set_file(std::string_view path);

/// Shows a transient status line below the messages (terminals only; nothing elsewhere). Empty: removed.
void set_status_line(std::string_view line);

/// A status line while this lives; then the one before it again.
class Status {
 public:
  explicit Status(std::string_view line);
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

 private:
  std::string before_;
};

/// The text on one line: control characters, which may be of a user's file or its name, as '?'.
std::string printable(std::string_view text);

/// True if standard error is a terminal that shows text, so that a status line can be shown; its width.
bool shows_status();
size_t columns();

}  // namespace kaem::log
