#pragma once

#include "mpira/jobs/table.hpp"

/// One declaration a job; its file defines it, jobs/table.cpp lists it.
namespace mpira::jobs {

JobEntry features_entry();
JobEntry lentimpra_entry();
JobEntry synthetic_entry();

}  // namespace mpira::jobs
