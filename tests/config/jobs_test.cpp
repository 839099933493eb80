#include "kaem/config/jobs.h"

#include "config/support.h"

namespace kaem {
namespace {

/// The one job of a text.
Job job_of(const std::string& text) {
  const auto list = read_jobs(text, "j.txt");
  EXPECT_TRUE(list.faults.empty()) << list.faults.front();
  EXPECT_EQ(list.jobs.size(), 1u);
  return list.jobs.empty() ? Job{} : list.jobs.front();
}

/// The one fault of a text.
std::string fault_of(const std::string& text) {
  const auto list = read_jobs(text, "j.txt");
  EXPECT_EQ(list.faults.size(), 1u) << text;
  if (!list.faults.empty()) test::expect_readable(list.faults.front());
  return list.faults.empty() ? "" : list.faults.front();
}

TEST(Jobs, EveryLayoutOfALine) {
  const auto list = read_jobs(
      "\xEF\xBB\xBF# runs\r\n\r\nMNIST vanilla\r\n  SVHN\tThermo  seed=3 # why\r\n#PTB vanilla\n \t\nPTB variational\n"
      "CELEBA tune max_steps=5 CNN.strides=1,2 name=a#b",
      "j.txt");
  ASSERT_TRUE(list.faults.empty()) << list.faults.front();
  ASSERT_EQ(list.jobs.size(), 4u);
  const std::vector<std::string> lines = {"MNIST vanilla", "SVHN thermo seed=3", "PTB variational",
                                          "CELEBA tune max-steps=5 CNN.strides=1,2 \"name=a#b\""};
  const std::vector<int> numbers = {3, 4, 7, 8};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(to_line(list.jobs[i]), lines[i]);
    EXPECT_EQ(list.jobs[i].line, numbers[i]);
  }
  EXPECT_EQ(list.jobs[3].value("cnn.STRIDES"), "1,2");
  EXPECT_EQ(list.jobs[3].value("seed"), "");
}

TEST(Jobs, QuotesKeepBlanks) {
  const Job job = job_of("MNIST vanilla config=\"my file.ini\" 'DATA.root=/a # b' name=x'y \"z'\n");
  EXPECT_EQ(job.value("config"), "my file.ini");
  EXPECT_EQ(job.value("DATA.root"), "/a # b");
  EXPECT_EQ(job.value("name"), "xy \"z");
  EXPECT_EQ(job_of(to_line(job)).values, job.values);
}

TEST(Jobs, FaultsNameTheLineAndDoNotHideEachOther) {
  EXPECT_EQ(fault_of("MNIST\n"), "j.txt:1: 'MNIST': the mode is missing; expected DATASET mode");
  EXPECT_EQ(fault_of("\nMNIST vanila"), "j.txt:2: mode 'vanila' is not known; did you mean 'vanilla'?");
  EXPECT_EQ(job_of("MNIST Baseline-VAE\n").mode, "baseline-vae");
  EXPECT_EQ(fault_of("MNIST vanilla sed=3"),
            "j.txt:1: key 'sed' is not known; expected SECTION.key of the configuration, or one of: seed name config "
            "max-steps budget data-dir; did you mean 'seed'?");
  EXPECT_EQ(fault_of("MNIST vanilla fast"), "j.txt:1: 'fast': expected KEY=VALUE behind data set and mode");
  EXPECT_EQ(fault_of("MNIST vanilla name="), "j.txt:1: 'name=': the value is missing");
  EXPECT_EQ(fault_of("MNIST vanilla A.=3"), "j.txt:1: 'A.': expected SECTION.key=value");
  EXPECT_EQ(fault_of("MNIST vanilla A.b=1 a.B=2"), "j.txt:1: 'a.B' is given twice");
  EXPECT_EQ(fault_of("seed=3 vanilla"), "j.txt:1: 'seed=3': expected DATASET mode [KEY=VALUE ...]");
  EXPECT_EQ(fault_of("MNIST vanilla name=\"a"), "j.txt:1: the quote \" is not closed");
  EXPECT_EQ(fault_of(std::string("MNIST van\0illa", 14)), "j.txt:1: holds a control character; is this a text file?");
  EXPECT_EQ(fault_of(std::string(5000, 'x')), "j.txt:1: longer than 4096 bytes");
  EXPECT_EQ(fault_of("\n\xEF\xBB\xBFMNIST vanilla"),
            "j.txt:2: holds a byte order mark, which only the file's first line may have");
  const auto list = read_jobs("MNIST\nMNIST vanilla\nMNIST x\n", "j.txt");
  EXPECT_EQ(list.faults.size(), 2u);
  EXPECT_EQ(list.jobs.size(), 1u);
}

}  // namespace
}  // namespace kaem
