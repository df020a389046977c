#pragma once

#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

#include "mpira/comm/communicator.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::test {

/// A folder of its own for one test, the same on every rank; removed once all are through. [collective]
class SharedFolder {
public:
    explicit SharedFolder(comm::CommView comm)
        : comm_(comm), path_(comm.bcast(comm.is_root() ? ScratchFolder::made() : std::string())) {}
    SharedFolder(SharedFolder const&) = delete;
    SharedFolder& operator=(SharedFolder const&) = delete;
    ~SharedFolder() {
        if (std::uncaught_exceptions() == exceptions_) comm_.barrier();
        std::error_code ignored;
        if (comm_.is_root()) std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

private:
    comm::CommView comm_;
    int exceptions_ = std::uncaught_exceptions();
    std::filesystem::path path_;
};

}  // namespace mpira::test
