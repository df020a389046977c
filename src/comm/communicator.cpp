#include "mpira/comm/communicator.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "mpira/base/file_errors.hpp"
#include "mpira/comm/losses.hpp"

namespace mpira::comm {
namespace {

// MPI counts are int: a longer buffer goes in pieces instead of wrapping to a negative count.
constexpr std::size_t kPiece = std::size_t{1} << 30;

template <typename T, typename Call>
void in_pieces(std::span<T> values, Call call) {
    for (std::size_t done = 0; done < values.size(); done += kPiece)
        call(values.subspan(done, std::min(kPiece, values.size() - done)));
}

template <typename T>
void reduce_in_place(MPI_Comm comm, MPI_Datatype type, MPI_Op operation, std::span<T> values) {
    in_pieces(values, [&](std::span<T> piece) {
        check(
            MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), type, operation, comm),
            "MPI_Allreduce");
    });
}

template <typename T>
T reduced(MPI_Comm comm, MPI_Datatype type, MPI_Op operation, T mine) {
    reduce_in_place(comm, type, operation, std::span<T>(&mine, 1));
    return mine;
}

/// Texts of all ranks laid end to end.
struct Joined {
    std::vector<int> lengths;
    std::vector<int> offsets;
    std::string text;

    explicit Joined(std::vector<int> of) : lengths(std::move(of)), offsets(lengths.size()) {
        std::int64_t const total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
        ensure(total <= std::numeric_limits<int>::max(), "texts of all ranks together pass 2 GiB");
        std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
        text.resize(static_cast<std::size_t>(total));
    }
    [[nodiscard]] std::vector<std::string> split() const {
        std::vector<std::string> parts;
        parts.reserve(lengths.size());
        for (std::size_t i = 0; i < lengths.size(); ++i)
            parts.emplace_back(text, static_cast<std::size_t>(offsets[i]),
                               static_cast<std::size_t>(lengths[i]));
        return parts;
    }
};

int text_length(std::string_view text) {
    ensure(text.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
           "a text of over 2 GiB to gather");
    return static_cast<int>(text.size());
}

}  // namespace

void check(int code, std::string_view call, std::source_location where) {
    if (code == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(code, text.data(), &length);
    throw Error(Origin::mpi,
                std::string(call) + ": " + std::string(text.data(), static_cast<std::size_t>(length)), where);
}

CommView::CommView(MPI_Comm handle) : handle_(handle) {
    // The default handler kills the job before check() can say anything; ask for return codes.
    check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

void CommView::barrier() const {
    check(MPI_Barrier(handle_), "MPI_Barrier");
}

void CommView::bcast(std::span<std::byte> bytes, int root) const {
    in_pieces(bytes, [&](std::span<std::byte> piece) {
        check(MPI_Bcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, root, handle_), "MPI_Bcast");
    });
}

std::string CommView::bcast(std::string text, int root) const {
    auto const length = bcast_value(static_cast<std::uint64_t>(text.size()), root);
    text.resize(length);
    bcast(std::as_writable_bytes(std::span(text)), root);
    return text;
}

std::vector<std::string> CommView::gather(std::string_view mine, int root) const {
    int const length = text_length(mine);
    std::vector<int> lengths(rank_ == root ? static_cast<std::size_t>(size_) : 0);
    check(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, root, handle_), "MPI_Gather");
    Joined all(std::move(lengths));
    check(MPI_Gatherv(mine.data(), length, MPI_CHAR, all.text.data(), all.lengths.data(), all.offsets.data(),
                      MPI_CHAR, root, handle_),
          "MPI_Gatherv");
    return all.split();
}

std::vector<std::string> CommView::all_gather(std::string_view mine) const {
    int const length = text_length(mine);
    std::vector<int> lengths(static_cast<std::size_t>(size_));
    check(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, handle_), "MPI_Allgather");
    Joined all(std::move(lengths));
    check(MPI_Allgatherv(mine.data(), length, MPI_CHAR, all.text.data(), all.lengths.data(),
                         all.offsets.data(), MPI_CHAR, handle_),
          "MPI_Allgatherv");
    return all.split();
}

void CommView::all_sum(std::span<float> values) const {
    reduce_in_place(handle_, MPI_FLOAT, MPI_SUM, values);
}
void CommView::all_sum(std::span<double> values) const {
    reduce_in_place(handle_, MPI_DOUBLE, MPI_SUM, values);
}
void CommView::all_sum(std::span<std::int64_t> values) const {
    reduce_in_place(handle_, MPI_INT64_T, MPI_SUM, values);
}
double CommView::all_sum(double mine) const {
    return reduced(handle_, MPI_DOUBLE, MPI_SUM, mine);
}
std::int64_t CommView::all_sum(std::int64_t mine) const {
    return reduced(handle_, MPI_INT64_T, MPI_SUM, mine);
}
void CommView::exchange(int with, std::span<float const> mine, std::span<float> theirs) const {
    ensure(mine.size() == theirs.size(), "exchange: lengths differ");
    constexpr int kTag = 0;
    for (std::size_t done = 0; done < mine.size(); done += kPiece) {
        auto const count = static_cast<int>(std::min(kPiece, mine.size() - done));
        check(MPI_Sendrecv(mine.data() + done, count, MPI_FLOAT, with, kTag, theirs.data() + done, count,
                           MPI_FLOAT, with, kTag, handle_, MPI_STATUS_IGNORE),
              "MPI_Sendrecv");
    }
}

double CommView::all_max(double mine) const {
    return reduced(handle_, MPI_DOUBLE, MPI_MAX, mine);
}
std::int64_t CommView::all_max(std::int64_t mine) const {
    return reduced(handle_, MPI_INT64_T, MPI_MAX, mine);
}

bool CommView::all_agree(bool mine) const {
    return reduced(handle_, MPI_INT, MPI_LAND, mine ? 1 : 0) == 1;
}

Communicator::Communicator(MPI_Comm owned) : CommView(owned) {}

Communicator Communicator::world() {
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
    return Communicator(copy);
}

Communicator::Communicator(Communicator&& other) noexcept : CommView(other) {
    other.handle_ = MPI_COMM_NULL;
}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
    if (this != &other) {
        release();
        CommView::operator=(other);
        other.handle_ = MPI_COMM_NULL;
    }
    return *this;
}

Communicator::~Communicator() {
    release();
}

void Communicator::release() noexcept {
    if (handle_ == MPI_COMM_NULL) return;
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0 && !probe_.unwinding() && !has_lost_ranks()) MPI_Comm_free(&handle_);
    handle_ = MPI_COMM_NULL;
}

Communicator CommView::duplicate() const {
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(handle_, &copy), "MPI_Comm_dup");
    return Communicator(copy);
}

Communicator CommView::split(int color, int key) const {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(handle_, color, key, &part), "MPI_Comm_split");
    return Communicator(part);
}

Communicator CommView::on_this_node() const {
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
          "MPI_Comm_split_type");
    return Communicator(node);
}

CollectiveError::CollectiveError(Origin origin, std::string_view what, int rank, std::source_location where)
    : Error(origin, what, where), rank_(rank) {}

Failure failure_of_current_exception() {
    try {
        throw;
    } catch (Error const& error) {
        return {error.origin(), error.what(), error.where()};
    } catch (std::filesystem::filesystem_error const& error) {
        auto const refusal = refusal_of(error);
        return {refusal.origin(), refusal.what(), refusal.where()};
    } catch (std::bad_alloc const&) {
        return {Origin::system, "out of memory", std::source_location::current()};
    } catch (std::exception const& error) {
        return {Origin::internal, error.what(), std::source_location::current()};
    } catch (...) {
        return {Origin::internal, "an exception of an unknown type", std::source_location::current()};
    }
}

void agree_on(CommView comm, std::optional<Failure> const& mine) {
    // One reduction when all is well: the lowest failing rank is size - greatest(size - rank).
    std::int64_t const vote = mine ? comm.size() - comm.rank() : 0;
    std::int64_t const highest = comm.all_max(vote);
    if (highest == 0) return;
    int const culprit = comm.size() - static_cast<int>(highest);
    std::int64_t const failed = comm.all_sum(std::int64_t{mine ? 1 : 0});
    auto const origin = static_cast<Origin>(
        comm.bcast_value(static_cast<int>(mine ? mine->origin : Origin::internal), culprit));
    std::string what = comm.bcast(mine ? mine->what : std::string(), culprit);
    if (failed < comm.size()) what = "rank " + std::to_string(culprit) + ": " + what;
    throw CollectiveError(origin, what, culprit, mine ? mine->where : std::source_location::current());
}

void require_everywhere(CommView comm, bool holds, std::string_view message, std::source_location where) {
    everywhere(comm, [&] { require(holds, message, where); });
}

}  // namespace mpira::comm
