#include "job_state.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kFormat = 1;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream text(line);
  for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
  return fields;
}

Json to_json(const JobEntry& job) {
  Json json = {
      {"line", job.line},      {"text", job.text},       {"dataset", job.dataset}, {"mode", job.mode},
      {"name", job.name},      {"folder", job.folder},   {"status", job.status},   {"exit_status", job.exit_status},
      {"signal", job.signal},  {"process", job.process}, {"updates", nullptr},     {"loss", nullptr},
      {"seconds", job.seconds}};
  if (job.updates) json["updates"] = *job.updates;
  if (job.loss && std::isfinite(*job.loss)) json["loss"] = *job.loss;
  return json;
}

JobEntry from_json(const Json& json) {
  JobEntry job;
  job.line = json.at("line").get<int>();
  for (const auto& [key, field] : {std::pair{"text", &job.text},
                                   {"dataset", &job.dataset},
                                   {"mode", &job.mode},
                                   {"name", &job.name},
                                   {"folder", &job.folder},
                                   {"status", &job.status}})
    *field = json.at(key).get<std::string>();
  job.exit_status = json.at("exit_status").get<int>();
  job.signal = json.at("signal").get<int>();
  job.process = json.at("process").get<int64_t>();
  if (!json.at("updates").is_null()) job.updates = json.at("updates").get<int64_t>();
  if (!json.at("loss").is_null()) job.loss = json.at("loss").get<double>();
  job.seconds = json.at("seconds").get<double>();
  return job;
}

std::string status_text(const JobEntry& job) {
  if (job.status != "failed") return job.status;
  return str("failed: ", ChildEnd{job.exit_status, job.signal, 0}.text());
}

std::string loss_text(const JobEntry& job) {
  return job.loss ? str(std::setprecision(6), *job.loss) : std::string("-");
}

}  // namespace

LastRow last_row(const std::string& folder) {
  LastRow row;
  const std::string path = folder + "/metrics.csv";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return row;
  const std::string text = io::read_file(path);
  const size_t end = text.rfind('\n');
  if (end == std::string::npos || end == 0) return row;
  const size_t begin = text.rfind('\n', end - 1);
  if (begin == std::string::npos) return row;  // the header alone
  const auto names = fields_of(text.substr(0, text.find('\n')));
  const auto values = fields_of(text.substr(begin + 1, end - begin - 1));
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    const char *first = values[i].data(), *last = first + values[i].size();
    int64_t step = 0;
    double loss = 0;
    if (names[i] == "step" && std::from_chars(first, last, step).ec == std::errc()) row.step = step;
    if (names[i] == "loss" && std::from_chars(first, last, loss).ec == std::errc()) row.loss = loss;
  }
  return row;
}

void JobEntry::finish(const ChildEnd& end) {
  status = end.ok() ? "done" : end.interrupted() ? "interrupted" : "failed";
  exit_status = end.status, signal = end.signal, process = 0;
  seconds += end.seconds;
  const LastRow row = last_row(folder);
  updates = row.step, loss = row.loss;
}

bool is_started(const JobEntry& job) {
  std::error_code ignored;
  const std::filesystem::path folder = job.folder;
  return std::filesystem::is_regular_file(folder / (job.mode == "tune" ? "search.ini" : "config.ini"), ignored);
}

JobState read_job_state(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  const Json json = Json::parse(io::read_json(path), nullptr, false);
  try {
    if (json.at("format").get<int64_t>() > kFormat)
      throw UsageError(str(path, ": was written by a newer version; this one reads format ", kFormat));
    JobState state{json.at("file").get<std::string>(), {}};
    for (const auto& job : json.at("jobs")) state.jobs.push_back(from_json(job));
    return state;
  } catch (const Json::exception&) {
    throw UsageError(str(path, ": is damaged; remove it to start the jobs anew"));
  }
}

void write_job_state(const std::string& path, const std::string& jobs_file, const std::vector<JobEntry>& jobs) {
  Json json = {{"format", kFormat}, {"file", jobs_file}, {"jobs", Json::array()}};
  for (const auto& job : jobs) json["jobs"].push_back(to_json(job));
  io::write_file_atomic(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string job_table(const std::vector<JobEntry>& jobs) {
  std::vector<std::vector<std::string>> rows = {{"job", "data set", "mode", "status", "updates", "loss", "run folder"}};
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto& job = jobs[i];
    rows.push_back({std::to_string(i + 1), job.dataset, job.mode, status_text(job),
                    job.updates ? std::to_string(*job.updates) : "-", loss_text(job), job.folder});
  }
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::ostringstream out;
  for (const auto& row : rows) {
    for (size_t c = 0; c + 1 < row.size(); ++c) {
      const bool number = c == 0 || c == 4 || c == 5;
      out << (number ? std::right : std::left) << std::setw(static_cast<int>(widths[c])) << row[c] << "  ";
    }
    out << row.back() << "\n";
  }
  return out.str();
}

}  // namespace kaem::app
