// The stub of libpython ends the program, loudly, if anything calls it.
#include <dlfcn.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace {

const char* stub_path;

TEST(PyStubDeathTest, NamesTheFunctionAndAborts) {
  void* stub = dlopen(stub_path, RTLD_NOW);
  ASSERT_NE(stub, nullptr) << dlerror();
  for (const char* name : {"PyErr_SetString", "PyGILState_Ensure"}) {
    auto function = reinterpret_cast<void (*)()>(dlsym(stub, name));
    ASSERT_NE(function, nullptr) << name;
    EXPECT_EXIT(function(), testing::KilledBySignal(SIGABRT),
                std::string("called ") + name + " of libpython");
  }
}

TEST(PyStub, HasTheObjects) {
  void* stub = dlopen(stub_path, RTLD_NOW);
  ASSERT_NE(stub, nullptr) << dlerror();
  for (const char* name :
       {"PyExc_RuntimeError", "PyType_Type", "_Py_NoneStruct"}) {
    const char* object = static_cast<const char*>(dlsym(stub, name));
    ASSERT_NE(object, nullptr) << name;
    for (int i = 0; i < 1024; ++i) EXPECT_EQ(object[i], 0) << name;
  }
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: pystub_test LIBRARY\n");
    return 2;
  }
  stub_path = argv[1];
  return RUN_ALL_TESTS();
}
