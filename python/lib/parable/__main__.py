from parable._command import main

main()
