#include "cc/infer/model_directory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/infer/version.h"

namespace infer {
namespace {

// How often it is told that a model is still loading; one took 32 s.
constexpr std::chrono::seconds kRemind{5};

// Until the next look, where there was no thread for one.
constexpr std::chrono::milliseconds kNoThread{1000};

// What either has; where both have it, as the first has it.
Found Either(Found first, const Found& second) {
  for (const auto& [name, versions] : second.models) {
    first.models[name].insert(versions.begin(), versions.end());
  }
  return first;
}

}  // namespace

ModelDirectory::ModelDirectory(base::Loop* loop, Backend* backend,
                               DirectoryObserver* observer,
                               DirectoryOptions options)
    : loop_(loop),
      backend_(backend),
      observer_(observer),
      options_(std::move(options)),
      poll_(loop, [this] { Look(); }),
      remind_(loop, [this] { Remind(); }),
      scanner_(loop, options_.look, options_.directory) {}

ModelDirectory::~ModelDirectory() = default;

void ModelDirectory::Start(std::function<void(const absl::Status&)> settled) {
  settled_ = std::move(settled);
  Look();
}

void ModelDirectory::Look() {
  const bool looks = scanner_.Start(
      [this](const absl::StatusOr<Found>& found) { OnFound(found); });
  if (!looks) poll_.Start(std::max(options_.poll, kNoThread));
}

void ModelDirectory::OnFound(const absl::StatusOr<Found>& found) {
  if (!found.ok() && last_.models.empty()) {
    return std::exchange(settled_, nullptr)(found.status());
  }
  // Told once, not at every look.
  const std::string before =
      std::exchange(scan_failure_, std::string(found.status().message()));
  if (found.ok()) {
    // What is replaced by two renames is not there for a moment: what one look
    // misses is served on, and goes with the next.
    Sync(Either(*found, std::exchange(last_, *found)));
  } else if (scan_failure_ != before) {
    observer_->OnScanFailed(found.status());
  }
  if (options_.poll.count() > 0) poll_.Start(options_.poll);
}

std::map<uint64_t, FoundVersion> ModelDirectory::Wanted(
    const std::string& name,
    const std::map<uint64_t, FoundVersion>& found) const {
  std::map<uint64_t, FoundVersion> wanted = found;
  const auto given = options_.versions.find(name);
  if (given != options_.versions.end()) {
    for (auto it = wanted.begin(); it != wanted.end();) {
      it =
          given->second.count(it->first) > 0 ? std::next(it) : wanted.erase(it);
    }
  } else if (options_.latest > 0) {
    while (wanted.size() > options_.latest) wanted.erase(wanted.begin());
  }
  return wanted;
}

void ModelDirectory::Sync(const Found& found) {
  for (const std::string& why : found.passed_over) {
    if (passed_over_.insert(why).second) observer_->OnPassedOver(why);
  }
  std::set<std::string> names;
  for (const auto& [name, versions] : found.models) names.insert(name);
  for (const auto& [name, versions] : models_) names.insert(name);
  for (const std::string& name : names) {
    if (unloaded_.count(name) > 0) continue;
    const auto model = found.models.find(name);
    SyncModel(name, model == found.models.end()
                        ? std::map<uint64_t, FoundVersion>()
                        : Wanted(name, model->second));
  }
  TellSettled();
}

void ModelDirectory::SyncModel(const std::string& name,
                               const std::map<uint64_t, FoundVersion>& wanted) {
  Versions_& versions = models_[name];
  for (auto& [number, version] : versions) {
    version.wanted = wanted.count(number) > 0;
  }
  for (const auto& [number, found] : wanted) {
    Version& version = versions[number];
    version.wanted = true;
    if (version.fingerprint != found.fingerprint) {
      StartLoad(name, number, found);
    }
  }
  Retire(name);
}

void ModelDirectory::StartLoad(const std::string& name, uint64_t number,
                               const FoundVersion& found) {
  const bool own = found.options && found.options->ok();
  ModelOptions options = own ? **found.options : options_.model;
  options.name = name;
  options.version = absl::StrCat(number);
  options.directory = found.directory;
  Version& version = models_[name][number];
  version.fingerprint = found.fingerprint;
  version.failure = absl::OkStatus();
  version.since = Clock::now();
  if (found.options && !own) {
    version.loading = nullptr;
    return Fail(options, found.options->status(), &version);
  }
  // The model that loads is known by its weak pointer: a later load may have
  // taken its place when it tells.
  auto loading = std::make_shared<std::weak_ptr<Model>>();
  version.loading = Model::Start(
      loop_, backend_, options, observer_->Observe(options),
      [this, name, number, options, loading](const absl::Status& status) {
        OnLoaded(name, number, loading->lock(), options, status);
      });
  *loading = version.loading;
  remind_.Start(kRemind);
}

void ModelDirectory::OnLoaded(const std::string& name, uint64_t number,
                              const std::shared_ptr<Model>& model,
                              const ModelOptions& options,
                              const absl::Status& status) {
  const auto versions = models_.find(name);
  if (versions == models_.end()) return;
  const auto found = versions->second.find(number);
  if (found == versions->second.end() || found->second.loading != model ||
      model == nullptr) {
    return;
  }
  Version& version = found->second;
  // The old one lives on in the requests that hold it.
  const std::shared_ptr<Model> loaded = std::exchange(version.loading, nullptr);
  // Whoever tells of a failure is in the middle of its own call.
  loop_->Defer([loaded] {});
  if (status.ok()) {
    if (version.serving != nullptr) {
      observer_->OnUnloaded(version.serving->info());
    }
    version.serving = loaded;
    observer_->OnLoaded(loaded, base::Seconds(Clock::now() - version.since));
  } else {
    Fail(options, status, &version);
  }
  Retire(name);
  TellSettled();
}

void ModelDirectory::Fail(const ModelOptions& options,
                          const absl::Status& status, Version* version) {
  version->failure = absl::Status(
      status.code(), absl::StrCat("model \"", options.name, "\" version ",
                                  options.version, " in ", options.directory,
                                  " cannot be loaded: ", status.message()));
  observer_->OnFailed(options, version->failure);
}

bool ModelDirectory::Settled(const Versions_& versions) const {
  return std::none_of(versions.begin(), versions.end(), [](const auto& entry) {
    return entry.second.loading != nullptr;
  });
}

void ModelDirectory::Retire(const std::string& name) {
  Versions_& versions = models_[name];
  bool any_wanted = false;
  bool any_ready = false;
  for (const auto& [number, version] : versions) {
    any_wanted = any_wanted || version.wanted;
    any_ready = any_ready || (version.wanted && version.serving != nullptr &&
                              version.loading == nullptr);
  }
  // What is to follow an old version may not have come up yet, or never.
  if (any_wanted && !any_ready) return;
  for (auto it = versions.begin(); it != versions.end();) {
    if (it->second.wanted) {
      ++it;
      continue;
    }
    if (it->second.serving != nullptr) {
      observer_->OnUnloaded(it->second.serving->info());
    }
    it = versions.erase(it);
  }
  if (versions.empty()) models_.erase(name);
}

void ModelDirectory::TellSettled() {
  // What is told may load or unload.
  std::vector<std::pair<std::function<void(const absl::Status&)>, absl::Status>>
      told;
  bool all = true;
  absl::Status first;
  for (const auto& [name, versions] : models_) {
    absl::Status failure;
    for (const auto& [number, version] : versions) {
      failure.Update(version.failure);
    }
    first.Update(failure);
    if (!Settled(versions)) {
      all = false;
      continue;
    }
    const auto waiting = waiting_.find(name);
    if (waiting == waiting_.end()) continue;
    for (auto& done : waiting->second) told.emplace_back(done, failure);
    waiting_.erase(waiting);
  }
  if (all && !started_) {
    started_ = true;
    if (settled_) told.emplace_back(std::exchange(settled_, nullptr), first);
  }
  for (const auto& [done, status] : told) done(status);
}

void ModelDirectory::Remind() {
  bool again = false;
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, version] : versions) {
      if (version.loading == nullptr) continue;
      again = true;
      ModelOptions options;
      options.name = name;
      options.version = absl::StrCat(number);
      observer_->OnLoading(options,
                           base::Seconds(Clock::now() - version.since));
    }
  }
  if (again) remind_.Start(kRemind);
}

void ModelDirectory::Load(const std::string& name,
                          std::function<void(const absl::Status&)> done) {
  asked_.emplace_back(name, std::move(done));
  if (!looks_for_asked_) LookForAsked();
}

void ModelDirectory::LookForAsked() {
  const auto asked =
      std::make_shared<std::vector<Asked>>(std::exchange(asked_, {}));
  looks_for_asked_ =
      scanner_.Start([this, asked](const absl::StatusOr<Found>& found) {
        looks_for_asked_ = false;
        for (Asked& one : *asked) {
          LoadAsked(found, one.first, std::move(one.second));
        }
        if (!asked_.empty()) LookForAsked();
      });
  if (looks_for_asked_) return;
  loop_->Defer([asked] {
    for (const auto& [name, done] : *asked) {
      done(absl::UnavailableError(
          "the server has no thread to look for the model just now"));
    }
  });
}

void ModelDirectory::LoadAsked(const absl::StatusOr<Found>& found,
                               const std::string& name,
                               std::function<void(const absl::Status&)> done) {
  if (!found.ok()) return done(found.status());
  const auto model = found->models.find(name);
  if (model == found->models.end()) {
    return done(absl::NotFoundError(absl::StrCat(
        "there is no model \"", name, "\" in ", options_.directory)));
  }
  unloaded_.erase(name);
  waiting_[name].push_back(std::move(done));
  // What failed is tried again.
  for (auto& [number, version] : models_[name]) {
    if (!version.failure.ok()) version.fingerprint.clear();
  }
  SyncModel(name, Wanted(name, model->second));
  loop_->Defer([this, alive = std::weak_ptr(alive_)] {
    if (alive.lock()) TellSettled();
  });
}

absl::Status ModelDirectory::Unload(const std::string& name) {
  const auto model = models_.find(name);
  if (model == models_.end()) {
    return absl::NotFoundError(
        absl::StrCat("model \"", name, "\" is not served"));
  }
  unloaded_.insert(name);
  for (auto& [number, version] : model->second) {
    if (version.serving != nullptr) {
      observer_->OnUnloaded(version.serving->info());
    }
  }
  models_.erase(model);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Servable>> ModelDirectory::Find(
    absl::string_view name, absl::string_view version) const {
  const auto model = models_.find(std::string(name));
  if (model == models_.end()) {
    // Before the first look nobody knows: whoever routes requests asks another
    // server, as while a model loads.
    if (models_.empty() && settled_) {
      return absl::UnavailableError("the models are being looked for");
    }
    return absl::NotFoundError(absl::StrCat(
        "unknown model \"", name, "\"; there is ",
        absl::StrJoin(models_, ", ", [](std::string* out, const auto& entry) {
          absl::StrAppend(out, "\"", entry.first, "\"");
        })));
  }
  const Versions_& versions = model->second;
  const auto not_ready = [&](const Version& wanted, absl::string_view number) {
    if (wanted.loading != nullptr) {
      return absl::UnavailableError(absl::StrCat(
          "model \"", name, "\" version ", number, " is being loaded"));
    }
    return absl::UnavailableError(wanted.failure.message());
  };
  if (version.empty()) {
    for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
      if (it->second.serving != nullptr) return it->second.serving;
    }
    return not_ready(versions.rbegin()->second,
                     absl::StrCat(versions.rbegin()->first));
  }
  const auto number = ParseVersion(version);
  const auto found = number ? versions.find(*number) : versions.end();
  if (found == versions.end()) {
    return absl::NotFoundError(
        absl::StrCat("model \"", name, "\" has no version ", version,
                     "; there is ", absl::StrJoin(Versions(name), ", ")));
  }
  if (found->second.serving == nullptr)
    return not_ready(found->second, version);
  return found->second.serving;
}

std::vector<std::string> ModelDirectory::Versions(
    absl::string_view name) const {
  std::vector<std::string> ready;
  const auto model = models_.find(std::string(name));
  if (model == models_.end()) return ready;
  for (const auto& [number, version] : model->second) {
    if (version.serving != nullptr) ready.push_back(absl::StrCat(number));
  }
  return ready;
}

std::vector<IndexEntry> ModelDirectory::Index() const {
  std::vector<IndexEntry> index;
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, version] : versions) {
      IndexEntry& entry = index.emplace_back();
      entry.name = name;
      entry.version = absl::StrCat(number);
      entry.reason = std::string(version.failure.message());
      if (version.serving == nullptr) {
        entry.state =
            version.loading != nullptr ? State::kLoading : State::kFailed;
      } else if (const absl::Status ready = version.serving->Ready();
                 !ready.ok()) {
        entry.state = State::kFailed;
        entry.reason = std::string(ready.message());
      } else {
        entry.state = State::kReady;
      }
    }
  }
  for (const std::string& name : unloaded_) {
    index.push_back({name, "", State::kFailed, "unloaded"});
  }
  return index;
}

}  // namespace infer
