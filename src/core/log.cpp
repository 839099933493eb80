// The only file that includes spdlog: LibTorch ships another fmt, and both in one file do not compile.
#include "kaem/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kaem::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::warn:
      return "warning";
    case spdlog::level::err:
      return "error";
    default:
      return "info";
  }
}

std::string time_stamp(spdlog::log_clock::time_point time) {
  const std::time_t seconds = spdlog::log_clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &parts);
  return text.data();
}

/// Of the message that is being written; the logger's lock guards it.
const std::vector<Field>* current_fields = nullptr;

std::string json_line(const spdlog::details::log_msg& message) {
  nlohmann::ordered_json line = {{"time", time_stamp(message.time)},
                                 {"level", level_name(message.level)},
                                 {"message", std::string(message.payload.data(), message.payload.size())}};
  if (current_fields != nullptr)
    for (const auto& [name, value] : *current_fields)
      std::visit([&, key = std::string(name)](const auto& v) { line[key] = v; }, value);
  // A file name in a message may hold any bytes: they must not make the logger throw.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool terminal_has_colours() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr && term != nullptr &&
         std::string_view(term) != "dumb";
}

size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// The first `columns` code points (a line that wraps could not be removed again).
std::string_view cut_to_columns(std::string_view line, size_t columns) {
  size_t count = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) == 0x80) continue;  // inside a UTF-8 sequence
    if (count++ == columns) return line.substr(0, i);
  }
  return line;
}

/// Standard error with the status line below the messages. The sink's own lock covers both.
class TerminalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void set_format(Format format) {
    const std::lock_guard lock(mutex_);
    remove_status();
    format_ = format;
  }

  /// The status line as it was asked for.
  std::string status() {
    const std::lock_guard lock(mutex_);
    return wanted_;
  }

  void set_status(std::string_view line) {
    if (isatty(STDERR_FILENO) == 0) return;
    const std::lock_guard lock(mutex_);
    if (format_ == Format::kJson) return;
    wanted_ = line;
    const auto shown = cut_to_columns(line, terminal_columns() - 1);
    if (shown == status_) return;
    status_ = shown;
    write(kErase + status_);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (format_ == Format::kJson) return write(json_line(message));
    const std::string text = printable({message.payload.data(), message.payload.size()});
    std::string out = status_.empty() ? "" : kErase;
    if (message.level != spdlog::level::info) {
      const bool red = message.level == spdlog::level::err;
      if (colours_) out += red ? "\x1b[1;31m" : message.level == spdlog::level::warn ? "\x1b[1;33m" : "\x1b[2m";
      out += level_name(message.level);
      out += ": ";
      if (colours_) out += "\x1b[0m";
    }
    write(out.append(text).append("\n").append(status_));
  }
  void flush_() override {}

 private:
  void remove_status() {
    if (status_.empty()) return;
    status_.clear();
    write(kErase);
  }
  // One call, so that other processes' output does not come between; standard error is not buffered.
  static void write(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

  static inline const std::string kErase = "\r\x1b[2K";
  const bool colours_ = terminal_has_colours();
  Format format_ = Format::kText;
  std::string status_;
  std::string wanted_;  ///< before it was cut to the terminal
};

/// A file of lines "time level message", or of JSON lines. A line that cannot be written is no error of the program.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(const std::string& path, Format format) : path_(path), format_(format) { file_.open(path, false); }
  /// Why lines are missing in the file; once.
  std::string failure() {
    const std::lock_guard lock(mutex_);
    return std::exchange(failure_, "");
  }
  void set_format(Format format) {
    const std::lock_guard lock(mutex_);
    format_ = format;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string text;
    if (format_ == Format::kJson) {
      text = json_line(message);
    } else {
      text.append(time_stamp(message.time)).append(" ").append(level_name(message.level)).append(" ");
      text.append(message.payload.data(), message.payload.size()).append("\n");
    }
    try {
      spdlog::memory_buf_t buffer;
      buffer.append(text.data(), text.data() + text.size());
      file_.write(buffer);
      file_.flush();  // the last line before a crash is the one that is needed
    } catch (const spdlog::spdlog_ex& e) {
      // spdlog's text names the file again.
      const std::string why = e.what();
      if (!failed_)
        failure_ = "lines are missing in the log file " + path_ + why.substr(std::min(why.rfind(": "), why.size()));
      failed_ = true;
    }
  }
  void flush_() override {}

 private:
  std::string path_, failure_;
  bool failed_ = false;
  Format format_;
  spdlog::details::file_helper file_;
};

/// Sinks and level of the program. The lock orders changes of the file against messages.
struct Logger {
  std::mutex mutex;
  Format format = Format::kText;
  std::shared_ptr<TerminalSink> terminal = std::make_shared<TerminalSink>();
  std::shared_ptr<FileSink> file;
  spdlog::logger front{"kaem", terminal};

  Logger() {
    front.set_level(spdlog::level::info);
    front.set_error_handler([](const std::string&) {});  // of the terminal: there is nobody left to tell
  }
};

/// Never destroyed: static destructors and worker threads may still log.
Logger& logger() {
  static auto* instance = new Logger;
  return *instance;
}

/// Says once on the terminal that the file cannot be written. A full disk does not end a run through its log file;
/// checkpoints and metrics report it.
void tell_failure(Logger& l) {
  if (!l.file) return;
  if (const std::string failure = l.file->failure(); !failure.empty()) l.front.log(spdlog::level::warn, failure);
}

void write(Level level, std::string_view message, const std::vector<Field>& fields = {}) {
  auto& l = logger();
  const std::lock_guard lock(l.mutex);
  current_fields = &fields;
  l.front.log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
  current_fields = nullptr;
  tell_failure(l);
}

}  // namespace

void debug(std::string_view message) { write(Level::kDebug, message); }
void info(std::string_view message, const std::vector<Field>& fields) { write(Level::kInfo, message, fields); }
void warn(std::string_view message) { write(Level::kWarn, message); }
void error(std::string_view message) { write(Level::kError, message); }

void record(Level level, std::string_view message) {
  auto& l = logger();
  const std::lock_guard lock(l.mutex);
  if (!l.file) return;
  l.file->log({"kaem", to_spdlog(level), spdlog::string_view_t(message.data(), message.size())});
  tell_failure(l);
}

void set_level(Level least) { logger().front.set_level(to_spdlog(least)); }

void set_format(Format format) {
  auto& l = logger();
  const std::lock_guard lock(l.mutex);
  l.format = format;
  l.terminal->set_format(format);
  if (l.file) l.file->set_format(format);
}

void set_file(std::string_view path) {
  auto& l = logger();
  const std::lock_guard lock(l.mutex);
  std::shared_ptr<FileSink> file;
  if (!path.empty()) {
    std::error_code ignored;
    if (std::filesystem::is_fifo(path, ignored)) {  // to open it would wait for a reader
      l.front.log(spdlog::level::warn, "there is no log file: " + std::string(path) + " is a pipe");
    } else
      try {
        file = std::make_shared<FileSink>(std::string(path), l.format);
      } catch (const spdlog::spdlog_ex& e) {
        l.front.log(spdlog::level::warn, "there is no log file: " + std::string(e.what()));
      }
  }
  l.file = file;
  l.front.sinks() = file ? std::vector<spdlog::sink_ptr>{l.terminal, file} : std::vector<spdlog::sink_ptr>{l.terminal};
}

void set_status_line(std::string_view line) { logger().terminal->set_status(line); }

Status::Status(std::string_view line) : before_(logger().terminal->status()) { set_status_line(line); }
Status::~Status() { set_status_line(before_); }

std::string printable(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return line;
}

bool shows_status() {
  auto& l = logger();
  const std::lock_guard lock(l.mutex);
  return isatty(STDERR_FILENO) != 0 && l.format == Format::kText;
}

size_t columns() { return terminal_columns(); }

}  // namespace kaem::log
