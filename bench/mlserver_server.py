"""`mlserver start FOLDER`, with mlserver_model beside it."""

from mlserver.cli import main

if __name__ == "__main__":
    main()
