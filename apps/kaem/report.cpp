#include "kaem/report/report.h"

#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/train/run.h"

namespace kaem::app {
namespace {

constexpr const char* kReportExamples = R"(
Examples:
  kaem report last                            RUN/report.html, which training leaves there too
  kaem report RUN_A RUN_B --out both.html     curves over each other, settings that differ, measures, pictures

The page needs no other file and no network. What kaem compare has measured of the runs stands in it.)";

void write_report(const std::vector<std::string>& runs, const Common& common) {
  if (runs.empty()) throw UsageError("kaem report: expected RUNs (folders of runs, or last); see kaem report --help");
  if (runs.size() > 1 && common.out.empty()) throw UsageError("kaem report: of several runs expected --out FILE.html");
  check_target("--out", common.out);
  prepare_threads(common);
  const std::string path = common.out.empty() ? RunFolder::open(runs.front()).file(report::kReportFile) : common.out;
  io::write_file_atomic(path, report::page_of(runs));
  std::cout << path << "\n";
}

}  // namespace

Command add_report(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("report", "Write a page about runs that a browser shows");
  const auto runs = std::make_shared<std::vector<std::string>>();
  app->add_option("RUNS", *runs, "Folders of runs, or last");
  app->footer(kReportExamples);
  return {
      app, [runs, &common] { write_report(*runs, common); }, {"threads", "out", "log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
