#pragma once

#include "mpira/jobs/table.hpp"

/// One declaration a job; its file defines it, jobs/table.cpp lists it.
namespace mpira::jobs {

JobEntry counts_entry();
JobEntry crispri_entry();
JobEntry features_entry();
JobEntry import_entry();
JobEntry jacobian_entry();
JobEntry lentimpra_entry();
JobEntry network_entry();
JobEntry perturb_entry();
JobEntry predict_entry();
JobEntry synthetic_entry();

}  // namespace mpira::jobs
