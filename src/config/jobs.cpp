#include "kaem/config/jobs.h"

#include <algorithm>
#include <array>

#include "kaem/config/config.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

constexpr std::string_view kWordBlanks = " \t\v\f\r";
constexpr size_t kLongestLine = 4096, kMostJobs = 10000, kMostFaults = 100;
constexpr auto kPlainKeys =
    std::to_array<std::string_view>({"seed", "name", "config", "max-steps", "budget", "data-dir"});

bool is_blank(char c) { return kWordBlanks.find(c) != std::string_view::npos; }

/// Words between blanks up to a comment; quotes of either kind keep blanks, `#` and the other kind, and are taken off.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  bool inside = false;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        words.back() += c;
    } else if (is_blank(c)) {
      inside = false;
    } else {
      if (!inside && c == '#') break;
      if (!inside) words.emplace_back();
      inside = true;
      if (c == '"' || c == '\'')
        quote = c;
      else
        words.back() += c;
    }
  }
  if (quote != 0) throw ConfigError(str("the quote ", quote, " is not closed"));
  return words;
}

std::string known_mode(const std::string& mode) {
  std::vector<std::string> modes = run_modes();
  modes.emplace_back("tune");
  for (const auto& known : modes)
    if (same_name(known, mode)) return known;
  throw ConfigError(unknown_name_message("mode", mode, modes));
}

/// SECTION.key as typed, or one of the plain keys as it is spelt here.
std::string known_key(std::string key) {
  if (const size_t dot = key.find('.'); dot != std::string::npos) {
    if (dot == 0 || dot + 1 == key.size()) throw ConfigError(str("'", key, "': expected SECTION.key=value"));
    return key;
  }
  std::replace(key.begin(), key.end(), '_', '-');
  for (const auto& known : kPlainKeys)
    if (same_name(known, key)) return std::string(known);
  std::string names;
  for (const auto& known : kPlainKeys) names.append(" ").append(known);
  throw ConfigError(str("key '", key, "' is not known; expected SECTION.key of the configuration, or one of:", names,
                        did_you_mean(key, {kPlainKeys.begin(), kPlainKeys.end()})));
}

std::pair<std::string, std::string> value_of(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError(str("'", word, "': expected KEY=VALUE behind data set and mode"));
  std::string key = known_key(word.substr(0, equals)), value = word.substr(equals + 1);
  if (value.empty() && key.find('.') == std::string::npos) throw ConfigError(str("'", word, "': the value is missing"));
  return {std::move(key), std::move(value)};
}

void check_bytes(std::string_view line) {
  if (line.size() > kLongestLine) throw ConfigError(str("longer than ", kLongestLine, " bytes"));
  if (line.find(kByteOrderMark) != std::string_view::npos)
    throw ConfigError("holds a byte order mark, which only the file's first line may have");
  for (const char c : line)
    if (static_cast<unsigned char>(c) < ' ' && !is_blank(c))
      throw ConfigError("holds a control character; is this a text file?");
}

Job job_of(const std::vector<std::string>& words, int line) {
  Job job{line, words[0], "", {}};
  if (job.dataset.empty() || job.dataset.find('=') != std::string::npos)
    throw ConfigError(str("'", job.dataset, "': expected DATASET mode [KEY=VALUE ...]"));
  if (words.size() < 2) throw ConfigError(str("'", job.dataset, "': the mode is missing; expected DATASET mode"));
  job.mode = known_mode(words[1]);
  for (size_t i = 2; i < words.size(); ++i) {
    job.values.push_back(value_of(words[i]));
    const auto& key = job.values.back().first;
    const auto same = [&](const auto& earlier) { return same_name(earlier.first, key); };
    if (std::find_if(job.values.begin(), job.values.end() - 1, same) != job.values.end() - 1)
      throw ConfigError(str("'", key, "' is given twice"));
  }
  return job;
}

/// A word that reads back as it is.
std::string quoted_word(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_of(" \t\v\f\r\"'#") == std::string::npos;
  if (plain) return word;
  std::string text;  // stretches without double quotes stand in double quotes, the double quotes in single ones
  for (size_t from = 0; from < word.size();) {
    const bool quotes = word[from] == '"';
    const size_t end = std::min(quotes ? word.find_first_not_of('"', from) : word.find('"', from), word.size());
    const char mark = quotes ? '\'' : '"';
    text += str(mark, word.substr(from, end - from), mark);
    from = end;
  }
  return text.empty() ? "\"\"" : text;
}

}  // namespace

std::string Job::value(std::string_view key) const {
  for (const auto& [name, value] : values)
    if (same_name(name, key)) return value;
  return {};
}

JobList read_jobs(std::string_view text, const std::string& name) {
  text = without_byte_order_mark(text);
  JobList list;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    try {
      check_bytes(content);
      const auto words = words_of(content);
      if (words.empty()) continue;
      if (list.jobs.size() == kMostJobs) throw ConfigError(str("more than ", kMostJobs, " jobs"));
      list.jobs.push_back(job_of(words, line));
    } catch (const ConfigError& error) {
      list.faults.push_back(str(name, ":", line, ": ", error.what()));
      if (list.faults.size() == kMostFaults) break;
    }
  }
  return list;
}

std::string to_line(const Job& job) {
  std::string line = quoted_word(job.dataset) + " " + job.mode;
  for (const auto& [key, value] : job.values) line.append(" ").append(quoted_word(str(key, "=", value)));
  return line;
}

}  // namespace kaem
