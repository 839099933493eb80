#include "kaem/core/threads.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/files.h"

namespace kaem {
namespace {

using test::Environment;
using test::put;
using test::TemporaryFolder;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

TEST(Threads, QuotaOfVersionTwoIsTheLeastOfTheGroupAndThoseAbove) {
  const TemporaryFolder root;
  EXPECT_EQ(processor_quota(root.str()), kNoLimit) << "no control groups";
  put(root / "proc/self/cgroup", "0::/user.slice/job 7\n");
  EXPECT_EQ(processor_quota(root.str()), kNoLimit) << "no files";
  put(root / "sys/fs/cgroup/user.slice/job 7/cpu.max", "max 100000\n");
  EXPECT_EQ(processor_quota(root.str()), kNoLimit);
  put(root / "sys/fs/cgroup/user.slice/job 7/cpu.max", "350000 100000\n");
  EXPECT_EQ(processor_quota(root.str()), 3.5);
  put(root / "sys/fs/cgroup/user.slice/cpu.max", "100000 50000\n");
  EXPECT_EQ(processor_quota(root.str()), 2);
  put(root / "sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(processor_quota(root.str()), 0.5) << "in a container the mount is the container's own group";
}

TEST(Threads, QuotaOfVersionOne) {
  const TemporaryFolder root;
  put(root / "proc/self/cgroup", "4:memory:/a\n3:cpu,cpuacct:/a/b\n1:name=systemd:/\nno colon\n");
  put(root / "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
  put(root / "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(processor_quota(root.str()), kNoLimit);
  put(root / "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  put(root / "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "200000\n");
  EXPECT_EQ(processor_quota(root.str()), 1.5);
  put(root / "sys/fs/cgroup/memory/a/cpu.cfs_quota_us", "1\n");
  put(root / "sys/fs/cgroup/memory/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(processor_quota(root.str()), 1.5) << "of another controller";
}

TEST(Threads, AGivenNumberCountsAndZeroKeepsWithinTheQuota) {
  const int before = at::get_num_threads();
  set_threads(3);
  EXPECT_EQ(at::get_num_threads(), 3);
  const Environment variable("OMP_NUM_THREADS", "3");
  set_threads(0);
  EXPECT_EQ(at::get_num_threads(), 3) << "OMP_NUM_THREADS was given";
  at::set_num_threads(before);
}

}  // namespace
}  // namespace kaem
